import { ask } from '@/tests/helpers/database/askDatabase';
import { startGuardProcess } from '@/tests/helpers/guard/guardProcess';
import { makeServiceKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { spawnNode } from '@/tests/helpers/server/nodeProcess';
import { buildApp } from '@/tests/helpers/server/testApp';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const databaseUrl = process.env['DATABASE_URL'] ?? '';
const { deps } = buildApp();
const BOUND_MS = 400;

let node: Awaited<ReturnType<typeof spawnNode>>;
let serviceKey: string;
beforeAll(async () => {
  node = await spawnNode({});
  serviceKey = await makeServiceKey(deps, ['introspect']);
});

const startGuard = () =>
  startGuardProcess({ url: node.url, serviceKey, maxStalenessMs: BOUND_MS, timeoutMs: 500 });

/** Starts a guard and waits until it decides by what it keeps. */
async function openGuard(token: string) {
  const guard = startGuard();
  await pollUntil(
    'the guard keeps the answer',
    () => guard.decide(token),
    (said) => said === 'kept',
  );
  return guard;
}

/** Ends a session, and returns when the bound has passed since, by the clock of the database. */
async function endAndWait(sessionId: string): Promise<void> {
  await ask(databaseUrl, 'UPDATE user_sessions SET revoked_at = clock_timestamp() WHERE id = $1', [
    sessionId,
  ]);
  const passed = `SELECT clock_timestamp() > revoked_at + interval '${BOUND_MS + 50} ms' AS over FROM user_sessions WHERE id = $1`;
  await pollUntil(
    'the bound has passed',
    () => ask<{ over: boolean }>(databaseUrl, passed, [sessionId]),
    ([row]) => row?.over === true,
  );
}

describe('the bound of a guard', () => {
  it('holds for a guard process that was stopped while a session was ended', async () => {
    const { token, sessionId } = await seedTestUserAndToken();
    const guard = await openGuard(token);
    guard.signal('SIGSTOP');
    // The request was sent before the guard goes on: nothing can reach it from the stream earlier.
    guard.send(token);
    await endAndWait(sessionId);
    guard.signal('SIGCONT');
    const { decision } = await guard.read();
    expect(decision).toMatchObject({ allowed: false, refusal: { status: 401 } });
  });

  it('holds for a node that stands still: the guard refuses with 503, and never by what it remembers', async () => {
    const { token, sessionId } = await seedTestUserAndToken();
    const guard = await openGuard(token);
    node.signal('SIGSTOP');
    await endAndWait(sessionId);
    expect(await guard.decide(token)).toBe(503);
    node.signal('SIGCONT');
    const said = await pollUntil(
      'the node answers again',
      () => guard.decide(token),
      (answer) => answer !== 503,
    );
    expect(said).toBe(401);
  });

  it('holds for a node that was killed', async () => {
    const { token, sessionId } = await seedTestUserAndToken();
    const guard = await openGuard(token);
    await node.kill();
    await endAndWait(sessionId);
    expect(await guard.decide(token)).toBe(503);
  });
});
