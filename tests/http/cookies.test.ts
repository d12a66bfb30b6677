import request from 'supertest';
import { desc, eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { auditLogs } from '@/server/db/schema';
import { browserOf, cookieOf, login } from '@/tests/helpers/http/authCalls';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { buildApp } from '@/tests/helpers/server/testApp';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

const { app } = buildApp();
const TLS = { 'x-forwarded-proto': 'https' };
const PURPOSE = 'security_settings';

const verify = (secret: string, headers: Record<string, string>) =>
  request(app)
    .post('/api/security/step-up/verify')
    .set({ ...ABROAD, ...headers })
    .send({ code: codeAt(secret, new Date()), purpose: PURPOSE });

async function beginLogin() {
  const member = await seedTraveller(app);
  const asked = await attemptLogin(app, member, ABROAD);
  expect(asked.status).toBe(428);
  return { member, asked, cookie: browserOf(asked) };
}

describe('a challenge cookie', () => {
  it('counts for the browser that began it, and for no other', async () => {
    const { member, asked, cookie } = await beginLogin();
    const challenge = cookieOf(asked, 'gh_challenge');
    const other = cookieOf((await beginLogin()).asked, 'gh_device');
    for (const planted of [challenge, `${challenge}; ${other}`]) {
      expect((await verify(member.secret, { cookie: planted })).status).toBe(401);
      const complete = await request(app).post('/api/auth/login/complete').set('cookie', planted);
      expect([complete.status, complete.body.error]).toEqual([404, 'CHALLENGE_NOT_FOUND']);
    }
    expect((await verify(member.secret, { cookie })).status).toBe(200);
    const planted = await attemptLogin(app, member, { ...ABROAD, cookie: challenge });
    expect(planted.status).toBe(428);
    expect((await attemptLogin(app, member, { ...ABROAD, cookie })).status).toBe(200);
  });

  it('that is there twice counts for nothing', async () => {
    const { member, asked, cookie } = await beginLogin();
    const doubled = `${cookie}; ${cookieOf(asked, 'gh_challenge')}`;
    expect((await verify(member.secret, { cookie: doubled })).status).toBe(401);
    expect((await verify(member.secret, { cookie })).status).toBe(200);
  });

  it.each([
    ['another site', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    ['a neighbour on the same site', { 'sec-fetch-site': 'same-site' }],
    ['another origin in a browser without Sec-Fetch-Site', { origin: 'https://evil.example' }],
    ['an opaque origin', { origin: 'null' }],
  ])('from %s counts for nothing', async (_who, headers) => {
    const { member, cookie } = await beginLogin();
    expect((await verify(member.secret, { cookie, ...headers })).status).toBe(401);
    const own = { 'sec-fetch-site': 'same-origin' };
    expect((await verify(member.secret, { cookie, ...own })).status).toBe(200);
  });
});

it('a challenge cookie counts for pages of the origin of PUBLIC_URL, also if that has a path', async () => {
  const mail = { smtp: undefined, from: undefined, publicUrl: 'https://example.com/auth' };
  const behindGateway = buildApp({ mail }).app;
  const member = await seedTraveller(behindGateway);
  const asked = await attemptLogin(behindGateway, member, ABROAD);
  const ask = (origin: string) =>
    request(behindGateway)
      .post('/api/security/step-up/verify')
      .set({ ...ABROAD, cookie: browserOf(asked), origin })
      .send({ code: codeAt(member.secret, new Date()), purpose: PURPOSE });
  expect((await ask('https://evil.example')).status).toBe(401);
  expect((await ask('https://example.com')).status).toBe(200);
});

describe('over TLS', () => {
  it('cookies have the __Host- prefix, and those without it carry no challenge', async () => {
    const member = await seedTraveller(app);
    const asked = await attemptLogin(app, member, { ...ABROAD, ...TLS });
    const set = asked.get('Set-Cookie') ?? [];
    expect(set).toHaveLength(2);
    for (const cookie of set) {
      expect(cookie).toMatch(/^__Host-gh_(challenge|device)=/);
      expect(cookie.split('; ')).toEqual(expect.arrayContaining(['Path=/', 'Secure', 'HttpOnly']));
      expect(cookie).not.toContain('Domain');
    }
    const pair = (name: string) => cookieOf(asked, `__Host-gh_${name}`);
    const planted = `${pair('device')}; ${pair('challenge').replace('__Host-', '')}`;
    expect((await verify(member.secret, { ...TLS, cookie: planted })).status).toBe(401);
    const cookie = `${pair('device')}; ${pair('challenge')}`;
    expect((await verify(member.secret, { ...TLS, cookie })).status).toBe(200);
  });
});

describe('a device cookie', () => {
  it('of somebody else is replaced at sign-in, and teaches nothing', async () => {
    const [mine, theirs] = [await seedTraveller(app), await seedTraveller(app)];
    const planted = cookieOf(await login(app, mine, HOME), 'gh_device');
    const signedIn = await login(app, theirs, { ...HOME, cookie: planted });
    expect(signedIn.status).toBe(200);
    const own = cookieOf(signedIn, 'gh_device');
    expect(own).not.toBe(planted);
    const again = await login(app, theirs, { ...HOME, cookie: own });
    expect(cookieOf(again, 'gh_device')).toBe(own);
    const mineAgain = await login(app, mine, { ...HOME, cookie: planted });
    expect(cookieOf(mineAgain, 'gh_device')).toBe(planted);
  });
});

it('reaches the browser again through a gateway that takes a path away, on plain HTTP too', async () => {
  const member = await seedTraveller(app);
  const res = await login(app, member, HOME);
  const [set = ''] = (res.get('Set-Cookie') ?? []).filter((one) => one.startsWith('gh_device='));
  expect(set.split('; ')).toContain('Path=/');
});

it('replaces two device cookies, of which an earlier release set one for another path', async () => {
  const member = await seedTraveller(app);
  const res = await login(app, member, { ...HOME, cookie: 'gh_device=a; gh_device=b' });
  const set = (res.get('Set-Cookie') ?? []).filter((one) => one.startsWith('gh_device='));
  expect(set).toHaveLength(2);
  expect(set[0]).toMatch(/^gh_device=; Path=\/api; Expires=Thu, 01 Jan 1970/);
  expect(set[1]).toMatch(/^gh_device=[^;]+; .*Path=\//);
});

it('signing out has the browser forget cached answers, but neither cookies nor the storage of its origin', async () => {
  const member = await seedTraveller(app);
  for (const path of ['logout', 'logout-all']) {
    const { body } = await login(app, member, HOME);
    const bearer = `Bearer ${String(body.accessToken)}`;
    const res = await request(app).post(`/api/auth/${path}`).set('authorization', bearer);
    expect(res.status).toBe(204);
    expect(res.headers['clear-site-data']).toBe('"cache"');
  }
});

it("a client's correlation id is kept, and the event says that it is the client's", async () => {
  const member = await seedTraveller(app);
  const newest = async () => {
    const mine = eq(auditLogs.actor, member.staffId);
    return (await db.select().from(auditLogs).where(mine).orderBy(desc(auditLogs.occurredAt)))[0];
  };
  await login(app, member, { ...HOME, 'x-correlation-id': 'chosen-by-a-stranger' });
  expect(await newest()).toMatchObject({
    correlationId: 'chosen-by-a-stranger',
    details: { correlationIdFrom: 'client' },
  });
  await login(app, member, { ...HOME, 'x-correlation-id': 'not well formed' });
  expect((await newest())?.details).not.toHaveProperty('correlationIdFrom');
});
