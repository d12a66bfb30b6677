import { randomUUID } from 'node:crypto';
import { hash } from 'argon2';
import { eq } from 'drizzle-orm';
import request from 'supertest';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { tenantStaff, tenants, users } from '@/server/db/schema';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { ADDRESS, cookieOf, fromAddress, login, me } from '@/tests/helpers/http/authCalls';
import {
  auditOf,
  sessionsOf,
  setStaffStatus,
  setTenantStatus,
  tablesHolding,
  tokensOf,
} from '@/tests/helpers/database/authRows';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** Makes a person a member of one more tenant. */
async function joinSecondTenant({ userId }: SeededAuth) {
  const tenantId = randomUUID();
  const slug = `second-${tenantId.slice(0, 8)}`;
  const staffId = randomUUID();
  await db.insert(tenants).values({ id: tenantId, slug, name: 'Second' });
  await db.insert(tenantStaff).values({ id: staffId, tenantId, userId });
  return { tenantId, slug, staffId };
}

describe('a login with the right password', () => {
  it('answers 200 with both tokens and says that no step-up is needed', async () => {
    const res = await login(app, { email: 'test@example.com', password: 'Password123!' });
    expect(res.status).toBe(200);
    expect(res.headers['content-type']).toMatch(/^application\/json/);
    expect(res.headers['cache-control']).toBe('no-store');
    expect(res.body).toStrictEqual({
      accessToken: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      refreshToken: expect.stringMatching(/^ghr_[\w-]{43}$/),
      requiresStepUp: false,
      tokenType: 'Bearer',
      expiresIn: 300,
      refreshExpiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      sessionId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    const session = await me(app, res.body.accessToken);
    expect(session.status).toBe(200);
    expect(session.body).toMatchObject({
      email: 'test@example.com',
      sessionId: res.body.sessionId,
      tenant: { slug: 'test-tenant' },
    });
  });

  it('makes one session row that knows version, address, country and device', async () => {
    const seeded = await seedTestUserAndToken();
    const headers = { ...fromAddress(ADDRESS.GB), 'user-agent': 'Browser/1' };
    const { body } = await login(app, seeded, headers);
    const made = (await sessionsOf(seeded.staffId)).filter(({ id }) => id !== seeded.sessionId);
    expect(made).toHaveLength(1);
    expect(made[0]).toMatchObject({
      id: body.sessionId,
      tenantId: seeded.tenantId,
      userId: seeded.userId,
      sessionVersion: 1,
      rememberMe: false,
      revokedAt: null,
      revokeReason: null,
      ip: ADDRESS.GB,
      country: 'GB',
      userAgent: 'Browser/1',
    });
  });

  it('makes one token row, the first of its family, that holds a hash and not the token', async () => {
    const seeded = await seedTestUserAndToken();
    const { body } = await login(app, seeded);
    const made = (await tokensOf(seeded.staffId)).filter(
      ({ sessionId }) => sessionId === body.sessionId,
    );
    expect(made).toHaveLength(1);
    expect(made[0]).toMatchObject({
      tokenHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      familyId: null,
      sessionVersion: 1,
      revokedAt: null,
      isRevoked: false,
      revokeReason: null,
    });
  });

  it('stores neither the tokens nor the password anywhere in the database', async () => {
    const seeded = await seedTestUserAndToken({ password: 'a password like no other' });
    const { body } = await login(app, seeded);
    expect(await tablesHolding(body.sessionId)).toContain('user_sessions');
    expect(await tablesHolding(body.refreshToken)).toStrictEqual([]);
    expect(await tablesHolding(body.refreshToken.slice('ghr_'.length))).toStrictEqual([]);
    expect(await tablesHolding(body.accessToken)).toStrictEqual([]);
    expect(await tablesHolding(body.accessToken.split('.')[2])).toStrictEqual([]);
    expect(await tablesHolding(seeded.password)).toStrictEqual([]);
  });

  it('writes AUTH_LOGIN_SUCCEEDED with the correlation id that the client sent', async () => {
    const seeded = await seedTestUserAndToken();
    const correlationId = 'login:from.the_front-end';
    const res = await login(app, seeded, { 'x-correlation-id': correlationId });
    expect(res.headers['x-correlation-id']).toBe(correlationId);
    const events = await auditOf('AUTH_LOGIN_SUCCEEDED', seeded.tenantId);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      correlationId,
      outcome: 'success',
      actor: seeded.staffId,
      sessionId: res.body.sessionId,
      subject: `session:${res.body.sessionId}`,
      details: { score: 0, reasons: [], rememberMe: false, stepUp: false },
    });
  });

  it('signs in whatever the case of the e-mail and the spaces around it', async () => {
    const seeded = await seedTestUserAndToken();
    const email = `  ${seeded.email.toUpperCase()} `;
    expect((await login(app, { email, password: seeded.password })).status).toBe(200);
  });

  it('marks the device with a cookie that scripts cannot read and other sites cannot send', async () => {
    const seeded = await seedTestUserAndToken();
    const res = await login(app, seeded);
    const cookies = res.headers['set-cookie'] as unknown as string[];
    expect(cookieOf(res, 'gh_device')).toMatch(/^gh_device=\S+$/);
    const [device] = cookies.filter((cookie) => cookie.startsWith('gh_device='));
    expect(device).toMatch(/; HttpOnly/);
    expect(device).toMatch(/; SameSite=Strict/);
  });
});

describe('the lifetime of what a login makes', () => {
  it.each([
    { rememberMe: false, sessionMs: 12 * HOUR_MS, tokenMs: 2 * HOUR_MS },
    { rememberMe: true, sessionMs: 30 * DAY_MS, tokenMs: 7 * DAY_MS },
  ])('follows rememberMe $rememberMe', async ({ rememberMe, sessionMs, tokenMs }) => {
    const seeded = await seedTestUserAndToken();
    const before = Date.now();
    const { body } = await login(app, { ...seeded, rememberMe });
    const after = Date.now();
    const session = (await sessionsOf(seeded.staffId)).find(({ id }) => id === body.sessionId);
    const token = (await tokensOf(seeded.staffId)).find((row) => row.sessionId === body.sessionId);
    const expectFromNow = (instant: Date | null | undefined, ms: number) => {
      expect(instant?.getTime()).toBeGreaterThanOrEqual(before + ms);
      expect(instant?.getTime()).toBeLessThanOrEqual(after + ms);
    };
    expect(session?.rememberMe).toBe(rememberMe);
    expect(token?.rememberMe).toBe(rememberMe);
    expectFromNow(session?.expiresAt, sessionMs);
    expectFromNow(token?.absoluteExpiresAt, sessionMs);
    expectFromNow(token?.expiresAt, tokenMs);
    expect(token?.expiresAt.toISOString()).toBe(body.refreshExpiresAt);
  });

  it('is the short one for a body that does not mention rememberMe', async () => {
    const seeded = await seedTestUserAndToken();
    const { body } = await login(app, { email: seeded.email, password: seeded.password });
    const session = (await sessionsOf(seeded.staffId)).find(({ id }) => id === body.sessionId);
    expect(session?.rememberMe).toBe(false);
  });
});

describe('a member of several tenants', () => {
  it('is asked to choose, with the tenants to choose from, and gets no session yet', async () => {
    const seeded = await seedTestUserAndToken();
    const second = await joinSecondTenant(seeded);
    const res = await login(app, { email: seeded.email, password: seeded.password });
    expect(res.status).toBe(409);
    const first = { id: seeded.tenantId, slug: seeded.tenantSlug };
    expect(res.body).toStrictEqual({
      error: 'TENANT_SELECTION_REQUIRED',
      tenants: [
        { id: second.tenantId, slug: second.slug, name: 'Second' },
        { ...first, name: expect.any(String) },
      ],
    });
    expect(await sessionsOf(seeded.staffId)).toHaveLength(1);
    expect(await sessionsOf(second.staffId)).toHaveLength(0);
    expect(await tokensOf(second.staffId)).toHaveLength(0);
  });

  it('learns nothing of the tenants from a wrong password', async () => {
    const seeded = await seedTestUserAndToken();
    await joinSecondTenant(seeded);
    const res = await login(app, { email: seeded.email, password: 'not the right password' });
    expect(res.status).toBe(401);
    expect(res.body).toStrictEqual({ error: 'INVALID_CREDENTIALS' });
  });

  it.each(['slug', 'tenantId'] as const)('enters the tenant named by its %s', async (name) => {
    const seeded = await seedTestUserAndToken();
    const second = await joinSecondTenant(seeded);
    const { email, password } = seeded;
    const res = await login(app, { email, password, tenant: second[name] });
    expect(res.status).toBe(200);
    const [session] = await sessionsOf(second.staffId);
    expect(session).toMatchObject({ id: res.body.sessionId, tenantId: second.tenantId });
    const { body } = await me(app, res.body.accessToken);
    expect(body).toMatchObject({ staffId: second.staffId, tenant: { id: second.tenantId } });
  });

  it.each([
    [
      'the membership is disabled',
      (first: SeededAuth) => setStaffStatus(first.staffId, 'disabled'),
    ],
    [
      'the tenant is suspended',
      (first: SeededAuth) => setTenantStatus(first.tenantId, 'suspended'),
    ],
  ])('is not offered a tenant where %s', async (_what, end) => {
    const seeded = await seedTestUserAndToken();
    const second = await joinSecondTenant(seeded);
    await end(seeded);
    const res = await login(app, { email: seeded.email, password: seeded.password });
    expect(res.status).toBe(200);
    expect((await me(app, res.body.accessToken)).body.tenant.id).toBe(second.tenantId);
  });
});

describe('a password hash of another cost', () => {
  const hashOf = async (userId: string) => {
    const [row] = await db.select().from(users).where(eq(users.id, userId));
    return row?.passwordHash ?? '';
  };

  it('is replaced at the next login, which says so, and the password goes on working', async () => {
    const seeded = await seedTestUserAndToken();
    const old = await hash(seeded.password, { memoryCost: 2048, timeCost: 2, parallelism: 1 });
    await db.update(users).set({ passwordHash: old }).where(eq(users.id, seeded.userId));
    expect((await login(app, seeded)).status).toBe(200);
    const renewed = await hashOf(seeded.userId);
    expect(renewed).toContain('$argon2id$v=19$m=1024,t=1,p=1$');
    expect((await login(app, seeded)).status).toBe(200);
    expect(await hashOf(seeded.userId)).toBe(renewed);
    expect(await auditOf('PASSWORD_REHASHED', seeded.tenantId)).toHaveLength(1);
  });

  it('stays as it is when the password was wrong', async () => {
    const seeded = await seedTestUserAndToken();
    const old = await hash(seeded.password, { memoryCost: 2048, timeCost: 2, parallelism: 1 });
    await db.update(users).set({ passwordHash: old }).where(eq(users.id, seeded.userId));
    expect((await login(app, { ...seeded, password: 'wrong, wrong, wrong' })).status).toBe(401);
    expect(await hashOf(seeded.userId)).toBe(old);
  });
});

describe('a login body that does not fit', () => {
  it.each([
    ['no password', { email: 'test@example.com' }],
    ['an e-mail that is none', { email: 'nobody', password: 'Password123!' }],
    ['an array for a password', { email: 'test@example.com', password: ['Password123!'] }],
    ['a password of 1025 characters', { email: 'test@example.com', password: 'x'.repeat(1025) }],
    ['NUL in the password', { email: 'test@example.com', password: 'Password\0' }],
    ['a word for rememberMe', { email: 'a@b.c', password: 'Password123!', rememberMe: 'yes' }],
  ])('is refused with 400: %s', async (_what, body) => {
    const res = await request(app).post('/api/auth/login').send(body);
    expect(res.status).toBe(400);
    expect(res.body.error).toBe('INVALID_INPUT');
  });
});
