import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { impersonations } from '@/server/db/schema';
import { endByOperator } from '@/server/impersonation';
import {
  WAITS_FOR_LOCK,
  ask as askDatabase,
  withConnection,
} from '@/tests/helpers/database/askDatabase';
import { auditOf } from '@/tests/helpers/database/authRows';
import { me } from '@/tests/helpers/http/authCalls';
import {
  OFFICE,
  OFFICE_RANGE,
  allow,
  from,
  setRules as setIpRules,
} from '@/tests/helpers/people/addressed';
import {
  IMPERSONATION,
  ask,
  impersonate,
  impersonationsOf,
  seedPair,
  setRules,
} from '@/tests/helpers/people/impersonators';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const { app, deps } = openNode();
const other = openNode();
const databaseUrl = process.env['DATABASE_URL'] ?? '';
const CONSENT = '/api/auth/me/impersonation-consent';

const waiting = async () => (await askDatabase(databaseUrl, WAITS_FOR_LOCK)).length;

it('a request that comes after an end, on any node, waits for that end and opens nothing', async () => {
  const pair = await seedPair();
  const { id, token } = await impersonate(app, pair);
  const { tenantId } = pair.actor;
  const answers = await withConnection(databaseUrl, async (client) => {
    await client.query('BEGIN');
    // The first request waits for this row, and holds the impersonation meanwhile.
    await client.query(
      "INSERT INTO impersonation_acts (impersonation_id, tenant_id, route, refused) VALUES ($1, $2, 'GET /api/auth/me', false)",
      [id, tenantId],
    );
    const statusOf = (answer: PromiseLike<{ status: number }>) =>
      answer.then(({ status }) => status);
    const first = statusOf(me(app, token));
    await pollUntil('the request waits', waiting, (count) => count === 1);
    const stop = statusOf(as(app, pair.actor).post(`${IMPERSONATION}/stop`, {}));
    await pollUntil('the end waits', waiting, (count) => count === 2);
    const late = statusOf(as(other.app, { token }).get('/api/tenants/current'));
    await pollUntil('the late request waits too', waiting, (count) => count === 3);
    await client.query('ROLLBACK');
    return Promise.all([first, stop, late]);
  });
  expect(answers).toEqual([200, 200, 401]);
});

describe('an end that somebody else has caused', () => {
  it('names them, and does not show their address or program as those of the actor', async () => {
    const pair = await seedPair();
    const { tenantId, staffId } = pair.actor;
    await setRules(app, tenantId, { consent: 'required' });
    const until = new Date(deps.clock.now().getTime() + 3_600_000).toISOString();
    await as(app, pair.subject).put(CONSENT, { until }).expect(200);
    await impersonate(app, pair);
    await from(app, pair.subject, OFFICE).del(CONSENT).expect(204);
    const nowhere = { ip: null, country: null, userAgent: null };
    expect(await auditOf('IMPERSONATION_ENDED', tenantId)).toMatchObject([
      { ...nowhere, actor: staffId, details: { by: pair.subject.staffId } },
    ]);
    const [withdrawn] = await auditOf('IMPERSONATION_CONSENT_WITHDRAWN', tenantId);
    expect(withdrawn).toMatchObject({ actor: pair.subject.staffId, ip: OFFICE });
  });

  it('has the address of the actor if the actor has stopped', async () => {
    const pair = await seedPair();
    await impersonate(app, pair);
    await from(app, pair.actor, OFFICE).post(`${IMPERSONATION}/stop`).expect(200);
    const [ended] = await auditOf('IMPERSONATION_ENDED', pair.actor.tenantId);
    expect(ended).toMatchObject({ actor: pair.actor.staffId, ip: OFFICE });
  });

  it('keeps the reference of the operator apart from the ticket of the impersonation', async () => {
    const pair = await seedPair();
    const { tenantId } = pair.actor;
    const { id } = await impersonate(app, pair, { ticket: 'HELP-7' });
    await endByOperator(deps, { ...operatorContext, ticket: 'OPS-1' }, { tenantId, id });
    expect(await auditOf('IMPERSONATION_ENDED', tenantId)).toMatchObject([
      { details: { ticket: 'HELP-7', byTicket: 'OPS-1' } },
    ]);
  });

  it('that a new start finds has no ticket of that start', async () => {
    const pair = await seedPair();
    const { tenantId } = pair.actor;
    const { id } = await impersonate(app, pair);
    const addressRefusedAt = deps.clock.now();
    await db.update(impersonations).set({ addressRefusedAt }).where(eq(impersonations.id, id));
    await impersonate(app, pair, { ticket: 'NEXT-1' });
    const [ended] = await auditOf('IMPERSONATION_ENDED', tenantId);
    expect(ended?.details).not.toHaveProperty('ticket');
    expect((await auditOf('IMPERSONATION_STARTED', tenantId)).at(-1)).toMatchObject({
      details: { ticket: 'NEXT-1' },
    });
  });
});

it('fifty stops at the same time, on two nodes and with either token, end it once', async () => {
  const pair = await seedPair();
  const { token } = await impersonate(app, pair);
  const stops = Array.from({ length: 50 }, (_, at) =>
    as(at % 2 ? app : other.app, at % 3 ? pair.actor : { token }).post(`${IMPERSONATION}/stop`, {}),
  );
  const statuses = (await Promise.all(stops)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  expect(statuses.filter((status) => ![200, 401, 404].includes(status))).toEqual([]);
  expect(await auditOf('IMPERSONATION_ENDED', pair.actor.tenantId)).toHaveLength(1);
});

describe('rules that were made stricter', () => {
  it.each([
    ['ask for a consent', { consent: 'required' }],
    ['ask for a ticket', { ticketRequired: true }],
    ['allow fewer minutes', { maxMinutes: 14 }],
    ['allow to read only', { mode: 'read_only' }],
  ])(
    'end what they would have refused, at once and on both nodes: they %s',
    async (_name, rules) => {
      const pair = await seedPair();
      const { tenantId } = pair.actor;
      await setRules(app, tenantId, { mode: 'full' });
      const { token } = await impersonate(app, pair, { scope: 'full' });
      await setRules(other.app, tenantId, { mode: 'full', ...rules }, 1);
      for (const node of [app, other.app]) expect((await me(node, token)).status).toBe(401);
      expect(await auditOf('IMPERSONATION_ENDED', tenantId)).toMatchObject([
        { actor: pair.actor.staffId, details: { end: 'policy_changed' } },
      ]);
    },
  );

  it('end nothing that they would still allow', async () => {
    const pair = await seedPair();
    const { tenantId } = pair.actor;
    await setRules(app, tenantId, { consent: 'none' });
    const { token } = await impersonate(app, pair, { ticket: 'HELP-7', minutes: 14 });
    await setRules(app, tenantId, { consent: 'told', ticketRequired: true, maxMinutes: 14 }, 1);
    expect((await me(app, token)).status).toBe(200);
  });

  it('never miss a start that is on its way: it is refused, or it is ended', async () => {
    const rounds = Array.from({ length: 8 }, async (_, at) => {
      const pair = await seedPair();
      const { tenantId } = pair.actor;
      const [, start] = await Promise.all([
        setRules(at % 2 ? app : other.app, tenantId, { maxMinutes: 5 }),
        ask(at % 2 ? other.app : app, pair, { minutes: 6 }),
      ]);
      const running = (await impersonationsOf(tenantId)).filter((row) => row.endedAt === null);
      return [start.status === 201 || start.status === 403, running.length];
    });
    expect(await Promise.all(rounds)).toEqual(rounds.map(() => [true, 0]));
  });
});

it('one that is over gets no other token, although nobody has ended it yet', async () => {
  const pair = await seedPair();
  await impersonate(app, pair);
  await as(app, pair.subject).post('/api/auth/logout-all', {}).expect(204);
  const renewed = await as(app, pair.actor).post(`${IMPERSONATION}/token`, {});
  expect(renewed.status).toBe(404);
});

it('a service that leaves the address out is refused, and ends nothing of the actor', async () => {
  const pair = await seedPair();
  const { token } = await impersonate(app, pair);
  const officer = await seedOfficer({ tenantId: pair.actor.tenantId });
  await setIpRules(app, officer, [allow(OFFICE_RANGE)]);
  const key = await makeServiceKey(deps, ['introspect']);
  const said = await withKey(app, key).post('/api/token/introspect', { token });
  expect(said.body).toEqual({ active: false, reason: 'IP_BLOCKED' });
  expect((await from(app, { token }, OFFICE).get('/api/auth/me')).status).toBe(200);
});
