import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import request from 'supertest';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { tenantStaff, tenants, userSessions } from '@/server/db/schema';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { ADDRESS, fromAddress, login, logout, me } from '@/tests/helpers/http/authCalls';
import { expectSignedIn, expectSignedOut } from '@/tests/helpers/http/authOutcomes';
import {
  auditOf,
  liveSessionsOf,
  liveTokensOf,
  sessionsOf,
  setStaffStatus,
  setTenantStatus,
  setUserStatus,
  tokensOf,
  versionOf,
} from '@/tests/helpers/database/authRows';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const list = (token: string) => request(app).get('/api/auth/sessions').set(bearer(token));
const end = (token: string, id: string) =>
  request(app)
    .delete(`/api/auth/sessions/${id}`)
    .set({ ...bearer(token), 'x-correlation-id': 'end-session' });
const logoutAll = (token: string) => request(app).post('/api/auth/logout-all').set(bearer(token));

describe('GET /api/auth/me', () => {
  it('says who is signed in, where, and with which permissions', async () => {
    const seeded = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
    const res = await me(app, seeded.accessToken);
    expect(res.status).toBe(200);
    expect(res.body).toMatchObject({
      userId: seeded.userId,
      staffId: seeded.staffId,
      sessionId: seeded.sessionId,
      email: seeded.email,
      tenant: { id: seeded.tenantId, slug: seeded.tenantSlug },
      permissions: ['SETTINGS_SECURITY_VIEW'],
    });
    expect(res.text).not.toContain('argon2');
  });

  it('shows permissions as they are now, not as they were at the login', async () => {
    const seeded = await seedTestUserAndToken({ permissions: ['ONE', 'TWO'] });
    await db
      .update(tenantStaff)
      .set({ permissions: ['TWO'] })
      .where(eq(tenantStaff.id, seeded.staffId));
    expect((await me(app, seeded.accessToken)).body.permissions).toStrictEqual(['TWO']);
  });

  it.each([
    ['the user is disabled', (who: SeededAuth) => setUserStatus(who.userId, 'disabled')],
    ['the staff member is disabled', (who: SeededAuth) => setStaffStatus(who.staffId, 'disabled')],
    ['the tenant is suspended', (who: SeededAuth) => setTenantStatus(who.tenantId, 'suspended')],
  ])('is refused at once when %s', async (_what, change) => {
    const seeded = await seedTestUserAndToken();
    expect((await me(app, seeded.accessToken)).status).toBe(200);
    await change(seeded);
    expect((await me(app, seeded.accessToken)).status).toBe(401);
  });

  it('is refused once the session is over, although the token is not', async () => {
    const seeded = await seedTestUserAndToken();
    await db
      .update(userSessions)
      .set({ expiresAt: new Date(Date.now() - 1000) })
      .where(eq(userSessions.id, seeded.sessionId));
    expect((await me(app, seeded.accessToken)).status).toBe(401);
  });
});

describe('GET /api/auth/sessions', () => {
  it('lists the live sessions of the one who asks, newest first, and marks the current one', async () => {
    const seeded = await seedTestUserAndToken();
    await seedTestUserAndToken({ tenantId: seeded.tenantId });
    const headers = { ...fromAddress(ADDRESS.JP), 'user-agent': 'Phone/1' };
    const newer = (await login(app, seeded, headers)).body;
    const gone = (await login(app, seeded)).body;
    await logout(app, gone.accessToken);
    const { body, status } = await list(newer.accessToken);
    expect(status).toBe(200);
    expect(body.sessions).toHaveLength(2);
    expect(body.sessions[0]).toMatchObject({
      id: newer.sessionId,
      current: true,
      ip: ADDRESS.JP,
      country: 'JP',
      userAgent: 'Phone/1',
      rememberMe: false,
    });
    expect(body.sessions[1]).toMatchObject({ id: seeded.sessionId, current: false });
  });
});

describe('DELETE /api/auth/sessions/:id', () => {
  it('ends one session of your own, with its tokens, and no other', async () => {
    const seeded = await seedTestUserAndToken();
    const other = (await login(app, seeded)).body;
    const res = await end(seeded.accessToken, other.sessionId);
    expect(res.status).toBe(204);
    await expectSignedOut(app, other);
    await expectSignedIn(app, seeded);
    expect(await versionOf(seeded.staffId)).toBe(1);
    const ended = (await sessionsOf(seeded.staffId)).find(({ id }) => id === other.sessionId);
    expect(ended).toMatchObject({ revokeReason: 'manual', revokedAt: expect.any(Date) });
    const tokens = (await tokensOf(seeded.staffId)).filter(
      ({ sessionId }) => sessionId === other.sessionId,
    );
    expect(tokens).toMatchObject([{ revokeReason: 'manual', isRevoked: true }]);
    expect(await auditOf('SESSION_INVALIDATED', seeded.tenantId)).toMatchObject([
      {
        subject: `session:${other.sessionId}`,
        actor: seeded.staffId,
        correlationId: 'end-session',
        details: { reason: 'manual', sessionsRevoked: 1, tokensRevoked: 1 },
      },
    ]);
  });

  it('ends the current session too', async () => {
    const seeded = await seedTestUserAndToken();
    expect((await end(seeded.accessToken, seeded.sessionId)).status).toBe(204);
    await expectSignedOut(app, seeded);
  });

  it('answers the same 404 for whatever is not your own live session, and ends nothing', async () => {
    const seeded = await seedTestUserAndToken();
    const colleague = await seedTestUserAndToken({ tenantId: seeded.tenantId });
    const stranger = await seedTestUserAndToken();
    const gone = (await login(app, seeded)).body;
    await logout(app, gone.accessToken);
    const unknown = await end(seeded.accessToken, randomUUID());
    expect(unknown.status).toBe(404);
    expect(unknown.body.error).toBe('NOT_FOUND');
    const others = [colleague.sessionId, stranger.sessionId, gone.sessionId];
    const odd = ['not-a-uuid', "1' OR '1'='1", '00000000-0000-0000-0000-000000000000'];
    for (const id of [...others, ...odd.map(encodeURIComponent)]) {
      const res = await end(seeded.accessToken, id);
      expect({ status: res.status, body: res.body }).toStrictEqual({
        status: 404,
        body: unknown.body,
      });
    }
    await expectSignedIn(app, colleague);
    await expectSignedIn(app, stranger);
  });

  it("does not reach your own session in another tenant from this one's", async () => {
    const seeded = await seedTestUserAndToken();
    const tenantId = randomUUID();
    await db.insert(tenants).values({ id: tenantId, slug: `elsewhere-${tenantId}`, name: 'E' });
    await db.insert(tenantStaff).values({ tenantId, userId: seeded.userId });
    const { email, password } = seeded;
    const elsewhere = (await login(app, { email, password, tenant: tenantId })).body;
    expect((await end(seeded.accessToken, elsewhere.sessionId)).status).toBe(404);
    await expectSignedIn(app, elsewhere);
  });
});

describe('POST /api/auth/logout', () => {
  it('ends this session alone, for `logout`, and says so in the log', async () => {
    const seeded = await seedTestUserAndToken();
    const other = (await login(app, seeded)).body;
    const res = await logout(app, seeded.accessToken);
    expect(res.status).toBe(204);
    await expectSignedOut(app, seeded);
    await expectSignedIn(app, other);
    expect(await versionOf(seeded.staffId)).toBe(1);
    const session = (await sessionsOf(seeded.staffId)).find(({ id }) => id === seeded.sessionId);
    expect(session).toMatchObject({ revokeReason: 'logout' });
    const token = (await tokensOf(seeded.staffId)).find(({ id }) => id === seeded.refreshTokenId);
    expect(token).toMatchObject({ revokeReason: 'logout', isRevoked: true });
    expect(await auditOf('AUTH_LOGOUT', seeded.tenantId)).toMatchObject([
      { sessionId: seeded.sessionId, actor: seeded.staffId, details: { scope: 'session' } },
    ]);
  });

  it('takes a token: without one it is 401', async () => {
    expect((await request(app).post('/api/auth/logout')).status).toBe(401);
  });
});

describe('POST /api/auth/logout-all', () => {
  it('ends every session of this membership and raises the version', async () => {
    const seeded = await seedTestUserAndToken();
    const others = [(await login(app, seeded)).body, (await login(app, seeded)).body];
    expect((await logoutAll(seeded.accessToken)).status).toBe(204);
    for (const who of [seeded, ...others]) await expectSignedOut(app, who);
    expect(await versionOf(seeded.staffId)).toBe(2);
    expect(await liveSessionsOf(seeded.staffId)).toHaveLength(0);
    expect(await liveTokensOf(seeded.staffId)).toHaveLength(0);
    expect(await auditOf('AUTH_LOGOUT', seeded.tenantId)).toMatchObject([
      { details: { scope: 'all' } },
    ]);
  });

  it('leaves colleagues signed in, and the person free to sign in anew', async () => {
    const seeded = await seedTestUserAndToken();
    const colleague = await seedTestUserAndToken({ tenantId: seeded.tenantId });
    await logoutAll(seeded.accessToken);
    await expectSignedIn(app, colleague);
    await expectSignedIn(app, (await login(app, seeded)).body);
  });
});
