import { hash } from 'argon2';
import { eq, sql } from 'drizzle-orm';
import request from 'supertest';
import { app } from '@/server/app';
import { invalidateSessions } from '@/server/auth';
import { db } from '@/server/db';
import { refreshTokens, userSessions, users } from '@/server/db/schema';
import { login, me, refresh } from '@/tests/helpers/http/authCalls';
import { auditOf, sessionsOf, tokensOf } from '@/tests/helpers/database/authRows';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { WAITS_FOR_LOCK, ask, withConnection } from '@/tests/helpers/database/askDatabase';

interface Listed {
  sessions: { id: string; createdAt: string; current: boolean }[];
  nextCursor: string | null;
}

const list = async (token: string, query = ''): Promise<Listed> => {
  const res = await request(app)
    .get(`/api/auth/sessions${query}`)
    .set('authorization', `Bearer ${token}`);
  expect(res.status).toBe(200);
  return res.body;
};

/** Makes a session's refresh token expire, as if it had been unused for too long. */
const letIdle = (sessionId: string) =>
  db
    .update(refreshTokens)
    .set({ expiresAt: new Date(Date.now() - 1000) })
    .where(eq(refreshTokens.sessionId, sessionId));

const logoutAll = (token: string) =>
  request(app).post('/api/auth/logout-all').set('authorization', `Bearer ${token}`);

describe('the list of sessions', () => {
  it('holds no session past its idle limit, but always the one that asks', async () => {
    const who = await seedTestUserAndToken();
    const [idle, asking] = [(await login(app, who)).body, (await login(app, who)).body];
    await letIdle(idle.sessionId);
    await letIdle(asking.sessionId);
    const { sessions } = await list(asking.accessToken);
    expect(sessions.map(({ id, current }) => [id, current])).toEqual([
      [asking.sessionId, true],
      [who.sessionId, false],
    ]);
  });

  it('still lets a session past its idle limit be ended, but none past its absolute end', async () => {
    const who = await seedTestUserAndToken();
    const [idle, over] = [(await login(app, who)).body, (await login(app, who)).body];
    await letIdle(idle.sessionId);
    const expiresAt = new Date(Date.now() - 1000);
    await db.update(userSessions).set({ expiresAt }).where(eq(userSessions.id, over.sessionId));
    const end = (id: string) =>
      request(app)
        .delete(`/api/auth/sessions/${id}`)
        .set('authorization', `Bearer ${who.accessToken}`);
    expect((await end(idle.sessionId)).status).toBe(204);
    expect((await end(over.sessionId)).status).toBe(404);
  });

  it.each([1, 2, 3, 20])(
    'is complete in pages of %i, in order, each session once and the asking one on the first page',
    async (limit) => {
      const who = await seedTestUserAndToken();
      // The oldest of all, some at the same time as others: equal times must neither hide nor
      // repeat a session.
      await db.execute(sql`INSERT INTO user_sessions (tenant_id, user_id, staff_id, created_at)
        SELECT ${who.tenantId}, ${who.userId}, ${who.staffId}, now() + make_interval(secs => n / 3)
        FROM generate_series(0, 8) n`);
      await db.execute(sql`INSERT INTO refresh_tokens (token_hash, tenant_id, user_id, staff_id, session_id, expires_at)
        SELECT gen_random_uuid(), tenant_id, user_id, staff_id, id, now() + interval '1 day'
        FROM user_sessions WHERE staff_id = ${who.staffId} AND id <> ${who.sessionId}`);
      const seen: Listed['sessions'] = [];
      let page = await list(who.accessToken, `?limit=${limit}`);
      expect(page.sessions.filter(({ current }) => current)).toHaveLength(1);
      for (;;) {
        expect(page.sessions.length).toBeLessThanOrEqual(limit);
        const times = page.sessions.map(({ createdAt }) => createdAt);
        expect(times).toEqual([...times].sort().reverse());
        seen.push(...page.sessions);
        if (page.nextCursor === null) break;
        page = await list(who.accessToken, `?limit=${limit}&cursor=${page.nextCursor}`);
      }
      const ids = seen.map(({ id }) => id).sort();
      const all = (await sessionsOf(who.staffId)).map(({ id }) => id).sort();
      expect(ids).toEqual(all);
    },
  );

  it.each(['limit=0', 'limit=501', 'limit=x', 'cursor=x', `cursor=${'A'.repeat(300)}`])(
    'refuses ?%s',
    async (query) => {
      const who = await seedTestUserAndToken();
      const res = await request(app)
        .get(`/api/auth/sessions?${query}`)
        .set('authorization', `Bearer ${who.accessToken}`);
      expect(res.status).toBe(400);
    },
  );

  it('refuses a cursor beyond the years that a database knows', async () => {
    const who = await seedTestUserAndToken();
    const far = Buffer.from(`999999999999999/${who.sessionId}`).toString('base64url');
    const res = await request(app)
      .get(`/api/auth/sessions?cursor=${far}`)
      .set('authorization', `Bearer ${who.accessToken}`);
    expect(res.status).toBe(400);
  });
});

describe('ending all sessions', () => {
  it('counts and marks live ones alone, and leaves the rows of dead ones as they ended', async () => {
    const who = await seedTestUserAndToken();
    const live = (await login(app, who)).body;
    const idle = (await login(app, who)).body;
    const over = (await login(app, who)).body;
    await letIdle(idle.sessionId);
    await letIdle(over.sessionId);
    const expiresAt = new Date(Date.now() - 1000);
    await db.update(userSessions).set({ expiresAt }).where(eq(userSessions.id, over.sessionId));
    expect((await logoutAll(live.accessToken)).status).toBe(204);
    const [event] = await auditOf('SESSION_INVALIDATED', who.tenantId);
    expect(event?.details).toMatchObject({ sessionsRevoked: 2, tokensRevoked: 2 });
    const revoked = (rows: { revokedAt: Date | null; id: string }[]) =>
      rows.filter(({ revokedAt }) => revokedAt !== null).map(({ id }) => id);
    expect(revoked(await sessionsOf(who.staffId))).toEqual([who.sessionId, live.sessionId]);
    expect(revoked(await tokensOf(who.staffId))).toHaveLength(2);
    for (const { accessToken, refreshToken } of [idle, over]) {
      expect((await me(app, accessToken)).status).toBe(401);
      expect((await refresh(app, refreshToken)).body.error).toBe('INVALID_REFRESH_TOKEN');
    }
  });

  it('marks a session once, by what ended it first', async () => {
    const who = await seedTestUserAndToken();
    await logoutAll(who.accessToken);
    const [first] = await sessionsOf(who.staffId);
    await db.transaction((tx) =>
      invalidateSessions(tx, operatorContext, 'normal', who.tenantId, {
        ...{ staffId: who.staffId, reason: 'force_logout', now: new Date() },
      }),
    );
    expect(await sessionsOf(who.staffId)).toEqual([first]);
  });
});

describe('a replayed token of a chain whose end has expired', () => {
  it('is punished once, and is no remote control after that', async () => {
    const who = await seedTestUserAndToken();
    const next = (await refresh(app, who.refreshToken)).body;
    await letIdle(who.sessionId);
    expect((await refresh(app, who.refreshToken)).body).toMatchObject({ reason: 'reuse_detected' });
    const later = (await login(app, who)).body;
    expect((await refresh(app, who.refreshToken)).body.error).toBe('FORCE_LOGOUT');
    expect((await me(app, later.accessToken)).status).toBe(200);
    expect((await me(app, next.accessToken)).status).toBe(401);
  });
});

describe('a password that was changed while a login with the old one was renewing its hash', () => {
  const cost = { memoryCost: 2048, timeCost: 2, parallelism: 1 };

  it('stays changed', async () => {
    const who = await seedTestUserAndToken();
    const outdated = await hash(who.password, cost);
    await db.update(users).set({ passwordHash: outdated }).where(eq(users.id, who.userId));
    const changed = await hash('another long password', cost);
    const url = process.env['DATABASE_URL'] ?? '';
    await withConnection(url, async (client) => {
      await client.query('BEGIN');
      await client.query('UPDATE users SET password_hash = $2 WHERE id = $1', [
        who.userId,
        changed,
      ]);
      const late = login(app, who).then((res) => res.status);
      await pollUntil(
        'the login waits for the row',
        () => ask(url, WAITS_FOR_LOCK),
        (waiting) => waiting.length > 0,
      );
      await client.query('COMMIT');
      await late;
    });
    const [row] = await db.select().from(users).where(eq(users.id, who.userId));
    expect(row?.passwordHash).toBe(changed);
    expect(await auditOf('PASSWORD_REHASHED', who.tenantId)).toEqual([]);
  });
});
