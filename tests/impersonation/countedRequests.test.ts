import { auditOf } from '@/tests/helpers/database/authRows';
import { WAITS_FOR_LOCK, ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { logout, me } from '@/tests/helpers/http/authCalls';
import { IMPERSONATION, impersonate, seedPair } from '@/tests/helpers/people/impersonators';
import { as } from '@/tests/helpers/people/officer';
import { openLimitedNode } from '@/tests/helpers/server/limitedNode';
import { startInProcess, stopServers } from '@/tests/helpers/server/serverInProcess';
import { externalEnv } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const { app } = buildApp();
const databaseUrl = process.env['DATABASE_URL'] ?? '';

const waiting = async () => (await ask(databaseUrl, WAITS_FOR_LOCK)).length;

it('the end of an impersonation waits for a request that is just being counted, and names it', async () => {
  const pair = await seedPair();
  const { id, token } = await impersonate(app, pair);
  const { tenantId } = pair.actor;
  const answers = await withConnection(databaseUrl, async (client) => {
    await client.query('BEGIN');
    // The request waits for this row, and holds its share of the impersonation.
    await client.query(
      "INSERT INTO impersonation_acts (impersonation_id, tenant_id, route, refused) VALUES ($1, $2, 'GET /api/auth/me', false)",
      [id, tenantId],
    );
    const request = me(app, token).then(({ status }) => status);
    await pollUntil('the request waits', waiting, (count) => count === 1);
    const stop = as(app, pair.actor)
      .post(`${IMPERSONATION}/stop`, {})
      .then(({ status }) => status);
    await pollUntil('the end waits', waiting, (count) => count === 2);
    await client.query('ROLLBACK');
    return Promise.all([request, stop]);
  });
  expect(answers).toEqual([200, 200]);
  const opened = [{ route: 'GET /api/auth/me', times: 1 }];
  expect(await auditOf('IMPERSONATION_ENDED', tenantId)).toMatchObject([{ details: { opened } }]);
});

it("requests of an impersonation count for the actor's quota, and past it they open nothing", async () => {
  const limited = openLimitedNode({ account: 10 }).app;
  const pair = await seedPair();
  const { token } = await impersonate(app, pair);
  const statuses: number[] = [];
  for (let sent = 0; sent < 12; sent += 1) statuses.push((await me(limited, token)).status);
  expect(statuses).toEqual([...Array<number>(10).fill(200), 429, 429]);
  expect((await me(limited, pair.actor.token)).status).toBe(429);
  expect((await me(limited, pair.subject.token)).status).toBe(200);
  const stopped = await as(app, pair.actor).post(`${IMPERSONATION}/stop`, {});
  expect(stopped.body.opened).toEqual([{ route: 'GET /api/auth/me', times: 10 }]);
});

it('a node that was started records within seconds what is over, without being asked', async () => {
  const node = startInProcess(externalEnv());
  await node.url();
  const pair = await seedPair();
  await impersonate(app, pair);
  await logout(app, pair.actor.token);
  const ends = () => auditOf('IMPERSONATION_ENDED', pair.actor.tenantId);
  const events = await pollUntil('the end is recorded', ends, ({ length }) => length > 0);
  expect(events).toMatchObject([{ details: { end: 'actor_signed_out' } }]);
  await stopServers();
});
