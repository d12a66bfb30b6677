import { forceLogout } from '@/server/tenants';
import request from 'supertest';
import { sql } from 'drizzle-orm';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { login, me, refresh, rotate } from '@/tests/helpers/http/authCalls';
import {
  expectForcedOut,
  expectSignedIn,
  expectSignedOut,
} from '@/tests/helpers/http/authOutcomes';
import {
  auditOf,
  liveTokensOf,
  sessionsOf,
  versionOf,
  withoutTable,
} from '@/tests/helpers/database/authRows';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';

const signOut = (body: object, accessToken?: string) => {
  const call = request(app).post('/api/auth/logout');
  return (accessToken ? call.set('authorization', `Bearer ${accessToken}`) : call).send(body);
};

describe('signing out with a refresh token alone', () => {
  it('ends its session and its chain, no other, and is written down as the act of its owner', async () => {
    const seeded = await seedTestUserAndToken();
    const other = (await login(app, seeded)).body;
    const res = await signOut({ refreshToken: seeded.refreshToken });
    expect([res.status, res.text]).toStrictEqual([204, '']);
    await expectSignedOut(app, seeded);
    await expectSignedIn(app, other);
    const session = (await sessionsOf(seeded.staffId)).find(({ id }) => id === seeded.sessionId);
    expect(session).toMatchObject({ revokeReason: 'logout' });
    expect(await auditOf('AUTH_LOGOUT', seeded.tenantId)).toMatchObject([
      {
        outcome: 'success',
        actor: seeded.staffId,
        sessionId: seeded.sessionId,
        subject: `session:${seeded.sessionId}`,
        details: { scope: 'session', with: 'refresh_token' },
      },
    ]);
  });

  it('works with an access token that has expired', async () => {
    const { app: aged, clock } = openNode();
    const seeded = await seedTestUserAndToken();
    clock.advance(3600);
    const res = await request(aged)
      .post('/api/auth/logout')
      .set('authorization', `Bearer ${seeded.accessToken}`)
      .send({ refreshToken: seeded.refreshToken });
    expect(res.status).toBe(204);
    expect(await liveTokensOf(seeded.staffId)).toHaveLength(0);
  });

  it('works with a token that was rotated: its chain ends, and that is no reuse', async () => {
    const seeded = await seedTestUserAndToken();
    const other = (await login(app, seeded)).body;
    const [, , last] = await rotate(app, seeded.refreshToken, 2);
    expect((await signOut({ refreshToken: seeded.refreshToken })).status).toBe(204);
    expect((await refresh(app, last)).body).toStrictEqual({ error: 'INVALID_REFRESH_TOKEN' });
    expect(await auditOf('REFRESH_REUSE_DETECTED', seeded.tenantId)).toStrictEqual([]);
    expect(await versionOf(seeded.staffId)).toBe(1);
    await expectSignedIn(app, other);
  });

  it('works with a token that lay unused too long: its session ends all the same', async () => {
    const seeded = await seedTestUserAndToken();
    await db.execute(
      sql`UPDATE refresh_tokens SET expires_at = now() - interval '1 day' WHERE id = ${seeded.refreshTokenId}`,
    );
    expect((await signOut({ refreshToken: seeded.refreshToken })).status).toBe(204);
    expect((await me(app, seeded.accessToken)).status).toBe(401);
  });

  it.each([
    ['that is unknown', () => ({ refreshToken: `ghr_${'x'.repeat(43)}` })],
    ['that is no refresh token', () => ({ refreshToken: 'nonsense' })],
    ['that is an access token', (token: string) => ({ refreshToken: token })],
  ])('answers 204 and changes nothing with one %s', async (_what, body) => {
    const seeded = await seedTestUserAndToken();
    expect((await signOut(body(seeded.accessToken))).status).toBe(204);
    expect(await auditOf('AUTH_LOGOUT', seeded.tenantId)).toStrictEqual([]);
    await expectSignedIn(app, seeded);
  });

  it('answers 204 for a chain that has ended, changes no reason and writes no event', async () => {
    const node = openNode();
    const seeded = await seedTestUserAndToken();
    await forceLogout(node.deps, operatorContext, seeded.tenantId, seeded.staffId);
    expect((await signOut({ refreshToken: seeded.refreshToken })).status).toBe(204);
    expect(await auditOf('AUTH_LOGOUT', seeded.tenantId)).toStrictEqual([]);
    await expectForcedOut(app, seeded, 'force_logout');
  });

  it('is one sign-out for ten requests at once', async () => {
    const seeded = await seedTestUserAndToken();
    const all = Array.from({ length: 10 }, () => signOut({ refreshToken: seeded.refreshToken }));
    expect((await Promise.all(all)).map(({ status }) => status)).toStrictEqual(Array(10).fill(204));
    expect(await auditOf('AUTH_LOGOUT', seeded.tenantId)).toHaveLength(1);
  });

  it('works while user_sessions is missing, and the log says that it was degraded', async () => {
    const { app: node } = openNode();
    const seeded = await seedTestUserAndToken();
    await withoutTable('user_sessions', async () => {
      const res = await request(node)
        .post('/api/auth/logout')
        .send({ refreshToken: seeded.refreshToken });
      expect(res.status).toBe(204);
      expect((await refresh(node, seeded.refreshToken)).status).toBe(401);
    });
    expect(await auditOf('AUTH_LOGOUT', seeded.tenantId)).toMatchObject([
      { details: { scope: 'session', with: 'refresh_token', degraded: true } },
    ]);
  });

  it('does not happen if it cannot be recorded: 503 without audit_logs', async () => {
    const seeded = await seedTestUserAndToken();
    await withoutTable('audit_logs', async () => {
      expect((await signOut({ refreshToken: seeded.refreshToken })).status).toBe(503);
    });
    await expectSignedIn(app, seeded);
  });
});

describe('signing out', () => {
  it('with an access token and a refresh token ends both, if they are of two sessions', async () => {
    const seeded = await seedTestUserAndToken();
    const other = (await login(app, seeded)).body;
    const res = await signOut({ refreshToken: other.refreshToken }, seeded.accessToken);
    expect(res.status).toBe(204);
    await expectSignedOut(app, seeded);
    await expectSignedOut(app, other);
  });

  it('with two tokens of one session is one event', async () => {
    const seeded = await seedTestUserAndToken();
    await signOut({ refreshToken: seeded.refreshToken }, seeded.accessToken);
    expect(await auditOf('AUTH_LOGOUT', seeded.tenantId)).toHaveLength(1);
  });

  it('takes one of the two: with neither it is 401, and with an access token that has ended too', async () => {
    const seeded = await seedTestUserAndToken();
    const none = await signOut({});
    expect([none.status, none.body.error]).toStrictEqual([401, 'UNAUTHENTICATED']);
    expect(none.headers['www-authenticate']).toBe('Bearer');
    await signOut({}, seeded.accessToken);
    const ended = await signOut({}, seeded.accessToken);
    expect([ended.status, ended.body.error]).toStrictEqual([401, 'UNAUTHENTICATED']);
    expect(ended.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
  });

  it.each([[null], [7], [['ghr_x']], [{}], ['']])(
    'refuses %j as a refresh token: 400',
    async (refreshToken) => {
      expect((await signOut({ refreshToken })).status).toBe(400);
    },
  );
});
