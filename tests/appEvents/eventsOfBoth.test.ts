import { ocsfLine } from '@/server/audit';
import { auditOf } from '@/tests/helpers/database/authRows';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import { impersonate, seedPair } from '@/tests/helpers/people/impersonators';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { declareDeleted, deletion, openReporter } from '@/tests/helpers/people/reporter';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';
import { verify } from '@/tests/verifier/verifyFile';

const node = buildApp();
const { app, deps } = node;
const ACTION = 'app.project.deleted';

beforeAll(declareDeleted);

/** Reports, as a service does, an event of a request that somebody sent who acts as a member. */
async function reportOfBoth() {
  const pair = await seedPair();
  const { token } = await impersonate(app, pair);
  const key = await makeServiceKey(deps, ['introspect']);
  const { body: who } = await withKey(app, key).post('/api/token/introspect', { token });
  const { report } = await openReporter(node);
  const both = { actor: { staffId: who.act.staff_id }, onBehalfOf: { userId: who.sub } };
  await report([deletion(pair.actor.tenantId, both)]).expect(201);
  return pair;
}

it('an event of somebody who acts as a member names both, in the log, to administrators and in OCSF', async () => {
  const { actor, subject } = await reportOfBoth();
  const both = { actor: actor.staffId, onBehalfOf: subject.staffId };
  const details = { reported: ['actor', 'onBehalfOf'] };
  const [event] = await auditOf(ACTION, actor.tenantId);
  expect(event).toMatchObject({ ...both, details });
  const officer = await seedOfficer({ tenantId: actor.tenantId });
  const shown = await as(app, officer).get(`/api/compliance/audit-logs?action=${ACTION}`);
  expect(shown.body.events).toMatchObject([both]);
  await deps.sealer.sealNow(10_000);
  const { rows } = await deps.pool.query<{ line: string }>(
    `SELECT ${ocsfLine('1.0.0')} AS line FROM audit_logs e JOIN audit_leaves l ON l.event_id = e.id WHERE e.id = $1`,
    [event?.id],
  );
  expect(JSON.parse(rows[0]?.line ?? '')).toMatchObject({
    actor: { user: { uid: actor.staffId } },
    unmapped: { on_behalf_of: subject.staffId },
  });
});

it('the evidence shows both, and verifies offline', async () => {
  const { actor, subject } = await reportOfBoth();
  const officer = await seedOfficer({ tenantId: actor.tenantId });
  const range = { from: utcToday(), to: utcToday(), format: 'csv' };
  const evidence = await downloadEvidence(app, officer, range);
  expect(evidence.table('app-events.csv')).toMatchObject([
    { actor: actor.staffId, on_behalf_of: subject.staffId, reported: '["actor", "onBehalfOf"]' },
  ]);
  const { found, outcome } = await verify(evidence.zip, { keys: [evidence.manifest.key] });
  expect([found, outcome]).toEqual([[], 'sound']);
});

describe('a member as whom somebody acts', () => {
  it('is named with an actor who is another member of the same tenant, or the batch is refused', async () => {
    const { actor, subject } = await seedPair();
    const stranger = await seedTestUserAndToken();
    const { report } = await openReporter(node);
    const [who, whom] = [{ staffId: actor.staffId }, { staffId: subject.staffId }];
    const cases: [names: object, field: string, message: string][] = [
      [{ actor: who, onBehalfOf: { staffId: stranger.staffId } }, 'onBehalfOf', 'no member'],
      [{ actor: { staffId: stranger.staffId }, onBehalfOf: whom }, 'actor', 'no member'],
      [{ onBehalfOf: whom }, 'onBehalfOf', 'needs an actor'],
      [{ actor: { name: 'import' }, onBehalfOf: whom }, 'onBehalfOf', 'needs an actor'],
      [{ actor: who, onBehalfOf: { userId: actor.userId } }, 'onBehalfOf', 'is the actor'],
    ];
    for (const [names, field, message] of cases) {
      const res = await report([deletion(actor.tenantId, names)]);
      expect([res.status, res.body.error]).toEqual([400, 'INVALID_INPUT']);
      const issue = { path: `events.0.${field}`, message: expect.stringContaining(message) };
      expect(res.body.issues).toMatchObject([issue]);
    }
    for (const onBehalfOf of [{ name: 'import' }, { staffId: 'x' }, whom.staffId, {}]) {
      const res = await report([deletion(actor.tenantId, { actor: who, onBehalfOf })]);
      expect([res.status, res.body.error]).toEqual([400, 'INVALID_INPUT']);
    }
    expect(await auditOf(ACTION, actor.tenantId)).toEqual([]);
  });
});
