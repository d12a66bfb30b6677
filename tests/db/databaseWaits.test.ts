import type { PoolClient } from 'pg';
import request from 'supertest';
import { withConnection } from '@/tests/helpers/database/askDatabase';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const UNAVAILABLE = { status: 503, error: 'DATABASE_UNAVAILABLE' };

async function whoAmI({ app }: Node, token: string) {
  const res = await request(app).get('/api/auth/me').set('authorization', `Bearer ${token}`);
  return { status: res.status, error: res.body.error as string | undefined };
}

type Node = ReturnType<typeof buildApp>;

/** Asks until it gets a connection: opening one may take longer than the node's own callers wait. */
async function take({ deps }: Node): Promise<PoolClient> {
  for (;;) {
    try {
      return await deps.pool.connect();
    } catch {
      // The next call finds the connection that this one has begun to open.
    }
  }
}

/** Holds both connections of a node's pool while work runs. */
async function whileBusy<T>(node: Node, work: () => Promise<T>): Promise<T> {
  const held = [await take(node), await take(node)];
  try {
    return await work();
  } finally {
    for (const client of held) client.release();
  }
}

describe('a request', () => {
  it('that gets no connection within DATABASE_WAIT_MS is answered with 503, and the next one is served', async () => {
    const { token } = await seedTestUserAndToken();
    const node = buildApp({ databasePoolSize: 2, databaseWaitMs: 100 });
    const refused = await whileBusy(node, () => whoAmI(node, token));
    expect(refused).toEqual(UNAVAILABLE);
    expect((await whoAmI(node, token)).status).toBe(200);
  });

  it('that waits longer for a connection than 100 ms is served if DATABASE_WAIT_MS allows it', async () => {
    const { token } = await seedTestUserAndToken();
    const node = buildApp({ databasePoolSize: 2, databaseWaitMs: 60_000 });
    // The other node, with a shorter wait, has given up by then.
    const hurried = buildApp({ databasePoolSize: 2, databaseWaitMs: 100 });
    const { answer, refused } = await whileBusy(node, async () => {
      const waiting = whoAmI(node, token);
      return {
        answer: () => waiting,
        refused: await whileBusy(hurried, () => whoAmI(hurried, token)),
      };
    });
    expect(refused).toEqual(UNAVAILABLE);
    expect((await answer()).status).toBe(200);
  });

  it('whose statement takes longer than DATABASE_STATEMENT_TIMEOUT_MS is answered with 503; a more patient node waits', async () => {
    const { token } = await seedTestUserAndToken();
    const node = buildApp({ databaseStatementTimeoutMs: 60_000 });
    const hurried = buildApp({ databaseStatementTimeoutMs: 1000 });
    await withConnection(node.deps.config.databaseUrl, async (client) => {
      await client.query('BEGIN; LOCK TABLE user_sessions IN ACCESS EXCLUSIVE MODE');
      const answer = whoAmI(node, token);
      expect(await whoAmI(hurried, token)).toEqual(UNAVAILABLE);
      await client.query('ROLLBACK');
      expect((await answer).status).toBe(200);
    });
  });
});
