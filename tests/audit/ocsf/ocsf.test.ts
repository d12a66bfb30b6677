import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AUDIT_ACTIONS, ocsfLine } from '@/server/audit';
import type { AuditAction } from '@/server/audit';
import { ACTIONS as DEFINED } from '@/server/audit/actions';
import { OCSF_CLASSES, OCSF_VERSION, activityId } from '@/server/audit/ocsf/classes';
import { UNKNOWN_ACTION } from '@/server/audit/ocsf/mapping';
import { ask } from '@/tests/helpers/database/askDatabase';
import { AUDIT_DETAILS } from '@/tests/helpers/evidence/auditDetails';
import { seal, thisDatabase } from '@/tests/helpers/evidence/checkpoints';
import { objectionsToOcsf } from '@/tests/helpers/evidence/objectionsToOcsf';
import { VERSION } from '../../helpers/evidence/ocsfRequirements';

const ACTIONS = Object.keys(AUDIT_ACTIONS) as AuditAction[];
const STAFF = randomUUID();
const TENANT = randomUUID();
const SESSION = randomUUID();

interface Given {
  action: string;
  outcome?: string;
  tenant?: string | null;
  actor?: string;
  subject?: string | null;
  session?: string | null;
  onBehalfOf?: string | null;
  ip?: string | null;
  country?: string | null;
  agent?: string | null;
  details?: object;
}

/** Writes events, puts them under a checkpoint, and reads them as OCSF, in their order. */
async function toOcsf(events: readonly Given[]): Promise<Record<string, unknown>[]> {
  const run = randomUUID();
  const rows = events.map((event) => ({
    tenant_id: TENANT,
    outcome: 'success',
    actor: STAFF,
    subject: null,
    session: SESSION,
    ip: '2001:db8::1',
    country: 'DE',
    agent: 'a "browser"\u0001\u2028',
    details: {},
    ...event,
    ...(event.tenant === undefined ? {} : { tenant_id: event.tenant }),
  }));
  await ask(
    thisDatabase(),
    `INSERT INTO audit_logs (id, tenant_id, action, outcome, actor, subject, session_id, on_behalf_of, ip, country, user_agent, correlation_id, details)
     SELECT gatehouse_uuid_v7(), (r->>'tenant_id')::uuid, r->>'action', (r->>'outcome')::audit_outcome, r->>'actor', r->>'subject',
       (r->>'session')::uuid, (r->>'onBehalfOf')::uuid, r->>'ip', r->>'country', r->>'agent', $2 || ':' || at, r->'details'
     FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS t (r, at)`,
    [JSON.stringify(rows), run],
  );
  await seal();
  const lines = await ask<{ line: string }>(
    thisDatabase(),
    `SELECT ${ocsfLine("1.2.3+it's")} AS line FROM audit_leaves l JOIN audit_logs e ON e.id = l.event_id
     WHERE e.correlation_id LIKE $1 || ':%' ORDER BY substr(e.correlation_id, 38)::int`,
    [run],
  );
  return lines.map(({ line }) => JSON.parse(line) as Record<string, unknown>);
}

async function oneOcsf(event: Given): Promise<Record<string, unknown>> {
  const [line] = await toOcsf([event]);
  if (!line) throw new Error('nothing came');
  return line;
}

const SUBJECTS = [
  null,
  `staff:${STAFF}`,
  `session:${SESSION}`,
  'account:ab12',
  'user:u',
  'odd "one"',
  '',
];

const ACTORS = [STAFF, 'system', 'anonymous', 'operator:ann@host.example'];
const OUTCOMES = ['success', 'failure', 'denied'];
const NOTHING = { tenant: null, session: null, ip: null, country: null, agent: null, details: {} };

/**
 * Returns the events of an action for all actors, subjects and outcomes, with all details and with
 * none.
 */
const variantsOf = (action: AuditAction): Given[] =>
  SUBJECTS.flatMap((subject) =>
    ACTORS.flatMap((actor, at) => {
      const event = {
        action,
        actor,
        subject,
        outcome: OUTCOMES[(at + SUBJECTS.indexOf(subject)) % 3],
      };
      return [
        { ...event, details: AUDIT_DETAILS[action] },
        { ...event, ...NOTHING },
      ] as Given[];
    }),
  );

describe('every action', () => {
  let lines: Record<string, unknown>[];
  beforeAll(async () => {
    lines = await toOcsf(ACTIONS.flatMap(variantsOf));
  });

  it.each(ACTIONS)(
    '%s is a good event of its class, whoever acts on whatever, and whatever is not known',
    (action) => {
      expect(AUDIT_ACTIONS[action].safeParse(AUDIT_DETAILS[action]).success).toBe(true);
      const mine = lines.filter(
        ({ metadata }) => (metadata as { event_code: string }).event_code === action,
      );
      expect(mine).toHaveLength(variantsOf(action).length);
      const mappings = [DEFINED[action].ocsf].flat();
      const allowed = mappings.map((one) => `${OCSF_CLASSES[one.class].uid} ${one.activity}`);
      for (const line of mine) {
        expect([action, ...objectionsToOcsf(line)]).toStrictEqual([action]);
        expect(allowed).toContain(`${String(line['class_uid'])} ${String(line['activity_name'])}`);
      }
    },
  );

  it('that no release here knows is a base event, and says which it is', async () => {
    const line = await oneOcsf({ action: 'FROM_THE "FUTURE"', details: { some: 'thing' } });
    expect(objectionsToOcsf(line)).toStrictEqual([]);
    expect(line).toMatchObject({
      class_uid: 0,
      activity_name: UNKNOWN_ACTION.activity,
      metadata: { event_code: 'FROM_THE "FUTURE"' },
      unmapped: { details: { some: 'thing' } },
    });
  });

  it('whose details are not what they should be is a line all the same', async () => {
    const odd = {
      score: 'high',
      stepUp: 'yes',
      sessionsRevoked: { a: 1 },
      at: 7,
      kind: null,
      factor: [],
      reason: {},
    };
    for (const line of await toOcsf(
      ACTIONS.map((action) => ({ action, outcome: 'failure', details: odd })),
    )) {
      expect(objectionsToOcsf(line)).toStrictEqual([]);
    }
  });
});

describe('a line', () => {
  it('says where the event stands in which log, and nothing of the event is lost', async () => {
    const onBehalfOf = randomUUID();
    const given = {
      action: 'STEP_UP_FAILED',
      outcome: 'failure',
      subject: 'challenge:7',
      onBehalfOf,
    };
    const line = await oneOcsf({ ...given, details: AUDIT_DETAILS.STEP_UP_FAILED });
    const [row] = await ask<Record<string, string | Date>>(
      thisDatabase(),
      `SELECT e.*, l.log_id, l.leaf_index, l.sealed_at FROM audit_logs e JOIN audit_leaves l ON l.event_id = e.id
       WHERE e.id = $1`,
      [(line['metadata'] as { uid: string }).uid],
    );
    expect(line).toStrictEqual({
      time: (row?.['occurred_at'] as Date).getTime(),
      metadata: {
        version: OCSF_VERSION,
        product: { name: 'Gatehouse', vendor_name: 'Gatehouse', version: "1.2.3+it's" },
        log_name: `gatehouse/${TENANT}`,
        sequence: Number(row?.['leaf_index']),
        logged_time: (row?.['sealed_at'] as Date).getTime(),
        uid: row?.['id'],
        event_code: 'STEP_UP_FAILED',
        correlation_uid: row?.['correlation_id'],
        tenant_uid: TENANT,
      },
      class_uid: 3002,
      class_name: 'Authentication',
      category_uid: 3,
      category_name: 'Identity & Access Management',
      activity_id: 99,
      activity_name: 'Step-up',
      type_uid: 300299,
      type_name: 'Authentication: Step-up',
      severity_id: 2,
      severity: 'Low',
      message: 'A further proof of identity was wrong',
      status_id: 2,
      status: 'Failure',
      status_code: 'failure',
      status_detail: 'wrong_code',
      actor: { user: { uid: STAFF, type: 'User', type_id: 1 }, session: { uid: SESSION } },
      user: { uid: STAFF, type: 'User', type_id: 1 },
      service: { name: 'Gatehouse' },
      session: { uid: SESSION },
      src_endpoint: { ip: '2001:db8::1', location: { country: 'DE' } },
      http_request: { user_agent: row?.['user_agent'] },
      unmapped: {
        details: AUDIT_DETAILS.STEP_UP_FAILED,
        subject: 'challenge:7',
        on_behalf_of: onBehalfOf,
      },
    });
  });

  it('of a class without a place for addresses has them beside', async () => {
    const line = await oneOcsf({ action: 'ANOMALY_CHECK_SKIPPED', outcome: 'failure' });
    expect(line['unmapped']).toMatchObject({ ip: '2001:db8::1', country: 'DE' });
  });

  it('of a failed login names nobody but the keyed hash of the e-mail', async () => {
    const line = await oneOcsf({
      action: 'AUTH_LOGIN_FAILED',
      outcome: 'failure',
      actor: 'anonymous',
      session: null,
      subject: 'account:ab12',
      details: AUDIT_DETAILS.AUTH_LOGIN_FAILED,
    });
    expect(line).toMatchObject({
      type_uid: 300201,
      status: 'Failure',
      status_detail: 'wrong_password',
      user: { account: { uid: 'ab12' }, type_id: 0 },
      actor: { user: { name: 'anonymous' } },
    });
    expect(line).not.toHaveProperty('session');
  });

  it.each([
    [
      'of a session that its owner ended is a logoff of that one',
      { subject: 'session:7' },
      300202,
      '7',
    ],
    [
      'of a forced logout is a logoff of no one session',
      { subject: `staff:${STAFF}` },
      300202,
      undefined,
    ],
  ])('%s', async (_what, given, type, session) => {
    const details = AUDIT_DETAILS.SESSION_INVALIDATED;
    const line = await oneOcsf({ action: 'SESSION_INVALIDATED', ...given, details });
    expect(line['type_uid']).toBe(type);
    expect(line['session']).toStrictEqual(session === undefined ? undefined : { uid: session });
  });

  it.each([
    ['SESSION_INVALIDATED', { sessionsRevoked: 0 }, 300299, 'Token Revocation'],
    ['LOGIN_BLOCKED', { at: 'refresh', score: 91 }, 300299, 'Token Refresh'],
    ['LOGIN_BLOCKED', { at: 'login', score: 91 }, 300201, 'Logon'],
  ])('of %s with %j is no more than what happened', async (action, details, type, activity) => {
    const line = await oneOcsf({ action, outcome: 'denied', details });
    expect(line).toMatchObject({ type_uid: type, activity_name: activity });
    if ('score' in details) {
      expect(line).toMatchObject({ disposition: 'Blocked', disposition_id: 2, risk_score: 91 });
    }
  });

  it('of an impersonation is about whom somebody acts as', async () => {
    const onBehalfOf = randomUUID();
    const line = await oneOcsf({ action: 'IMPERSONATION_STARTED', onBehalfOf });
    expect(line).toMatchObject({
      type_uid: 300207,
      account_switch_type_id: 2,
      actor: { user: { uid: STAFF } },
      user: { uid: onBehalfOf },
    });
  });
});

it('docs/ocsf.md has every action with its class, activity and severity', () => {
  const paper = readFileSync(join(__dirname, '../../../docs/ocsf.md'), 'utf8');
  const rows = [
    ...paper.matchAll(/^\| `([A-Z_]+)` +\| (.+?) +\| (\d+) +\| (\d+) (.+?) +\| (\w+) +\|/gm),
  ];
  const told = rows.map(([, action, name, uid, id, activity, severity]) =>
    [action, name, Number(uid), Number(id), activity, severity].join(' '),
  );
  const real = Object.entries(DEFINED).flatMap(([action, { ocsf }]) =>
    [ocsf].flat().map(({ class: name, activity, severity }) => {
      const { uid, name: caption } = OCSF_CLASSES[name];
      return [action, caption, uid, activityId(name, activity), activity, severity].join(' ');
    }),
  );
  expect(told.sort()).toStrictEqual(real.sort());
  expect(paper).toContain(`OCSF ${OCSF_VERSION}`);
  expect(OCSF_VERSION).toBe(VERSION);
});
