import { forceLogout } from '@/server/tenants';
import { eq } from 'drizzle-orm';
import request from 'supertest';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { refreshTokens } from '@/server/db/schema';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { login, refresh } from '@/tests/helpers/http/authCalls';
import {
  liveSessionsOf,
  liveTokensOf,
  tokensOf,
  versionOf,
} from '@/tests/helpers/database/authRows';
import { holdToken, untilWaiting } from '@/tests/helpers/database/heldToken';
import { startNodeProcess } from '@/tests/helpers/server/nodeProcess';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';

const REUSE = { error: 'FORCE_LOGOUT', reason: 'reuse_detected' };
const other = openNode();

const endSessionsOf = ({ tenantId, staffId }: SeededAuth) =>
  forceLogout(other.deps, operatorContext, tenantId, staffId);

describe('over two processes', () => {
  let urls: string[];
  beforeAll(async () => {
    urls = await Promise.all([startNodeProcess(), startNodeProcess()]);
  });

  const refreshAt = (url: string, refreshToken: string) =>
    request(url).post('/api/auth/refresh').send({ refreshToken });
  const burst = (refreshToken: string) =>
    Promise.all(
      Array.from({ length: 50 }, (_, turn) => refreshAt(urls[turn % 2] ?? '', refreshToken)),
    );

  it('one of fifty refreshes of one token succeeds, and all others are told of the reuse', async () => {
    const seeded = await seedTestUserAndToken();
    const answers = await burst(seeded.refreshToken);
    const winners = answers.filter(({ status }) => status === 200);
    const losers = answers.filter(({ status }) => status === 401);
    expect([winners.length, losers.length]).toStrictEqual([1, 49]);
    for (const { body } of losers) expect(body).toStrictEqual(REUSE);
  });

  it('fifty refreshes of one token never leave two live successors, and bump the version once', async () => {
    const seeded = await seedTestUserAndToken();
    const watch = { mostLive: 0, over: false };
    const watching = (async () => {
      while (!watch.over) {
        const live = await liveTokensOf(seeded.staffId);
        watch.mostLive = Math.max(watch.mostLive, live.length);
      }
    })();
    const answers = await burst(seeded.refreshToken);
    watch.over = true;
    await watching;
    expect(watch.mostLive).toBeLessThanOrEqual(1);
    expect(await tokensOf(seeded.staffId)).toHaveLength(2);
    expect(await liveTokensOf(seeded.staffId)).toHaveLength(0);
    expect(await versionOf(seeded.staffId)).toBe(2);
    const winner = answers.find(({ status }) => status === 200)?.body;
    expect((await refreshAt(urls[0] ?? '', winner.refreshToken)).status).toBe(401);
  });

  it("refreshes of different chains of one person do not get in each other's way", async () => {
    const seeded = await seedTestUserAndToken();
    const sessions = await Promise.all(Array.from({ length: 20 }, () => login(app, seeded)));
    const answers = await Promise.all(
      sessions.map(({ body }, turn) => refreshAt(urls[turn % 2] ?? '', body.refreshToken)),
    );
    expect(answers.map(({ status }) => status)).toStrictEqual(sessions.map(() => 200));
    expect(await liveTokensOf(seeded.staffId)).toHaveLength(21);
  });
});

describe('a refresh and a force logout at the same moment', () => {
  async function expectAllDead(seeded: SeededAuth): Promise<void> {
    expect(await liveTokensOf(seeded.staffId)).toHaveLength(0);
    expect(await liveSessionsOf(seeded.staffId)).toHaveLength(0);
    expect(await versionOf(seeded.staffId)).toBe(2);
  }

  it('leave no live successor where the refresh was first', async () => {
    const seeded = await seedTestUserAndToken();
    const release = await holdToken(seeded.refreshTokenId);
    const refreshing = refresh(app, seeded.refreshToken).then((res) => res);
    await untilWaiting(1);
    const ending = endSessionsOf(seeded);
    await untilWaiting(2);
    await release();
    const [answer] = await Promise.all([refreshing, ending]);
    expect(answer.status).toBe(200);
    await expectAllDead(seeded);
    expect((await refresh(app, answer.body.refreshToken)).status).toBe(401);
  });

  it('make no successor at all where the force logout was first', async () => {
    const seeded = await seedTestUserAndToken();
    const release = await holdToken(seeded.refreshTokenId);
    const ending = endSessionsOf(seeded);
    await untilWaiting(1);
    const refreshing = refresh(app, seeded.refreshToken).then((res) => res);
    await untilWaiting(2);
    await release();
    const [answer] = await Promise.all([refreshing, ending]);
    expect(answer.status).toBe(401);
    expect(answer.body).toStrictEqual({ error: 'FORCE_LOGOUT', reason: 'force_logout' });
    await expectAllDead(seeded);
    const [row, ...successors] = await tokensOf(seeded.staffId);
    expect(successors).toHaveLength(0);
    expect(row?.revokeReason).toBe('force_logout');
  });

  it('leave no live row in any of twenty rounds of four sessions', async () => {
    for (let round = 0; round < 20; round += 1) {
      const seeded = await seedTestUserAndToken();
      const sessions = await Promise.all([1, 2, 3].map(() => login(app, seeded)));
      const held = [seeded.refreshToken, ...sessions.map(({ body }) => body.refreshToken)];
      const [answers] = await Promise.all([
        Promise.all(held.map((token: string) => refresh(app, token))),
        endSessionsOf(seeded),
      ]);
      await expectAllDead(seeded);
      for (const { status, body } of answers) {
        const dead = status === 200 ? await refresh(app, body.refreshToken) : { status };
        expect(dead.status).toBe(401);
      }
    }
    const unmarked = await db
      .select()
      .from(refreshTokens)
      .where(eq(refreshTokens.isRevoked, false));
    expect(unmarked.filter(({ revokedAt }) => revokedAt !== null)).toHaveLength(0);
  });
});
