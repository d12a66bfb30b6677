import { WAITS_FOR_LOCK, ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { auditOf } from '@/tests/helpers/database/authRows';
import { me } from '@/tests/helpers/http/authCalls';
import {
  IMPERSONATION,
  impersonate,
  impersonationsOf,
  seedPair,
} from '@/tests/helpers/people/impersonators';
import { as } from '@/tests/helpers/people/officer';
import { externalEnv, startServer } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const { app } = buildApp();
const databaseUrl = process.env['DATABASE_URL'] ?? '';

/** Counts the statements about the audit log that wait for a lock. */
const waiting = async () =>
  (await ask(databaseUrl, `${WAITS_FOR_LOCK} AND query LIKE '%audit_logs%'`)).length;

/** Sends a request to a node of its own, and kills that node while the event is being written. */
async function killWhileRecording(path: string, token: string, body: object): Promise<void> {
  const victim = startServer(externalEnv());
  const url = await victim.url();
  await withConnection(databaseUrl, async (client) => {
    await client.query('BEGIN');
    await client.query('LOCK TABLE audit_logs IN SHARE MODE');
    const sent = fetch(`${url}${IMPERSONATION}/${path}`, {
      method: 'POST',
      headers: {
        ...{ authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        'x-stepup-test-bypass': '1',
      },
      body: JSON.stringify(body),
    }).catch(() => undefined);
    await pollUntil('the event waits', waiting, (count) => count > 0);
    victim.signal('SIGKILL');
    await victim.exited;
    await sent;
    await client.query('ROLLBACK');
  });
}

it('a node that is killed in the middle of a start leaves nothing of it, and another one can start', async () => {
  const pair = await seedPair();
  const { actor, subject } = pair;
  const body = { staffId: subject.staffId, reason: 'To see what they see' };
  await killWhileRecording('start', actor.token, body);
  await impersonate(app, pair);
  expect(await impersonationsOf(actor.tenantId)).toHaveLength(1);
  expect(await auditOf('IMPERSONATION_STARTED', actor.tenantId)).toHaveLength(1);
});

it('a node that is killed in the middle of an end leaves it running, and another one ends it once', async () => {
  const pair = await seedPair();
  const { token } = await impersonate(app, pair);
  await killWhileRecording('stop', pair.actor.token, {});
  expect((await me(app, token)).status).toBe(200);
  await as(app, pair.actor).post(`${IMPERSONATION}/stop`, {}).expect(200);
  expect((await me(app, token)).status).toBe(401);
  expect(await auditOf('IMPERSONATION_ENDED', pair.actor.tenantId)).toMatchObject([
    { details: { end: 'stopped', opened: [{ route: 'GET /api/auth/me', times: 1 }] } },
  ]);
});
