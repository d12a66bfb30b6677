import request from 'supertest';
import { cookieOf, me, refresh } from '@/tests/helpers/http/authCalls';
import { liveTokensOf, withoutTable } from '@/tests/helpers/database/authRows';
import {
  OPTED_IN,
  TLS,
  cookieCalls,
  reusesOf,
  rotationsOf,
  setOf,
} from '@/tests/helpers/http/cookieCalls';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

const { app } = buildApp();
const { post, refreshBy, signIn } = cookieCalls(app);

type Headers = Record<string, string>;

describe('a login that asks for the refresh cookie', () => {
  it('gives no refresh token in the body, and over TLS a cookie of this host that no script reads', async () => {
    const { res } = await signIn({}, TLS);
    expect(res.body).not.toHaveProperty('refreshToken');
    expect(res.body).toMatchObject({ accessToken: expect.any(String), requiresStepUp: false });
    const [cookie, ...more] = setOf(res, '__Host-refresh');
    expect(more).toEqual([]);
    expect(cookie).toMatch(/^__Host-refresh=ghr_[\w-]{43}; /);
    expect(cookie?.split('; ').slice(1).sort()).toEqual(
      ['HttpOnly', 'Path=/', 'SameSite=Strict', 'Secure'].sort(),
    );
    expect(JSON.stringify(res.body)).not.toContain('ghr_');
  });

  it('names it without the prefix on plain HTTP outside production', async () => {
    const { res } = await signIn();
    expect(setOf(res)).toEqual([expect.stringMatching(/; Path=\/; HttpOnly; SameSite=Strict$/)]);
  });

  it('lets the browser keep it as long as the token is good if the person is to be remembered', async () => {
    const { res, cookie } = await signIn({ rememberMe: true });
    const until = (answer: request.Response) => {
      const age = Number(/Max-Age=(\d+)/.exec(setOf(answer)[0] ?? '')?.[1]);
      const left = Date.parse(String(answer.body.refreshExpiresAt)) - Date.now();
      return Math.abs(left / 1000 - age);
    };
    expect(until(res)).toBeLessThan(60);
    const next = await refreshBy(cookie);
    expect(until(next)).toBeLessThan(60);
    const forgotten = await signIn();
    expect(setOf(await refreshBy(forgotten.cookie))[0]).not.toMatch(/Max-Age|Expires/);
  });

  it('ends the session whose cookie it replaces, and only that one', async () => {
    const { member, cookie } = await signIn();
    const elsewhere = await attemptLogin(app, member, HOME, OPTED_IN);
    expect(elsewhere.status).toBe(200);
    const again = await attemptLogin(app, member, { ...HOME, cookie }, OPTED_IN);
    expect(again.status).toBe(200);
    expect((await refreshBy(cookie)).body).toMatchObject({ error: 'INVALID_REFRESH_TOKEN' });
    for (const res of [elsewhere, again])
      expect((await refreshBy(cookieOf(res, 'refresh'))).status).toBe(200);
  });

  it('is finished by a proof with the cookie, and a lost answer is given again with the same one', async () => {
    const member = await seedTraveller(app);
    const asked = await attemptLogin(app, member, ABROAD, { rememberMe: true });
    expect(asked.status).toBe(428);
    const { challengeId } = asked.body;
    const code = codeAt(member.secret, new Date());
    await post('/api/security/step-up/verify', ABROAD, {
      ...{ code, challengeId, purpose: 'security_settings' },
    }).expect(200);
    const complete = (headers: Headers) =>
      post(
        '/api/auth/login/complete',
        { ...ABROAD, 'idempotency-key': 'once', ...headers },
        {
          challengeId,
          ...OPTED_IN,
        },
      );
    const first = await complete({});
    expect([first.status, first.body.refreshToken]).toEqual([200, undefined]);
    const cookie = cookieOf(first, 'refresh');
    expect(setOf(first)[0]).toContain('Max-Age=');
    // The browser may have kept the cookie of an answer that its page never received.
    const second = await complete({ cookie });
    expect(second.status).toBe(200);
    expect(cookieOf(second, 'refresh')).toBe(cookie);
    expect(setOf(second)[0]).toContain('Max-Age=');
    expect((await refreshBy(cookie, ABROAD)).status).toBe(200);
  });
});

describe('a client that does not ask for the cookie', () => {
  it('gets the bodies as ever and no cookie, and leaves the one that is there alone', async () => {
    const { member, cookie } = await signIn();
    const plain = await attemptLogin(app, member, { ...HOME, cookie });
    expect(plain.body.refreshToken).toMatch(/^ghr_/);
    const next = await refresh(app, plain.body.refreshToken, { ...HOME, cookie });
    expect(next.body.refreshToken).toMatch(/^ghr_/);
    const out = await post(
      '/api/auth/logout',
      { cookie },
      { refreshToken: next.body.refreshToken },
    );
    expect(out.status).toBe(204);
    for (const res of [plain, next, out]) expect(setOf(res)).toEqual([]);
    expect((await refreshBy(cookie)).status).toBe(200);
  });

  it('is told about a missing token as ever; one that asks for the cookie has no session', async () => {
    const plain = await post('/api/auth/refresh', {});
    expect([plain.status, plain.body.issues[0].path]).toEqual([400, 'refreshToken']);
    const asking = await post('/api/auth/refresh', {}, OPTED_IN);
    expect([asking.status, asking.body]).toEqual([401, { error: 'INVALID_REFRESH_TOKEN' }]);
  });
});

describe('a refresh by the cookie', () => {
  it('brings an access token and the next cookie, and no refresh token in the body', async () => {
    const { cookie } = await signIn();
    for (const body of [{}, OPTED_IN]) {
      const res = await refreshBy(body === OPTED_IN ? cookie : (await signIn()).cookie, {}, body);
      expect(res.status).toBe(200);
      expect(JSON.stringify(res.body)).not.toContain('ghr_');
      expect((await me(app, res.body.accessToken)).status).toBe(200);
      expect((await refreshBy(cookieOf(res, 'refresh'))).status).toBe(200);
    }
  });

  it('that is asked for a proof keeps the rotated token in the cookie and out of the body', async () => {
    const { member, cookie } = await signIn();
    const asked = await refreshBy(cookie, ABROAD);
    expect(asked.status).toBe(428);
    expect(asked.body).toMatchObject({
      error: 'STEP_UP_REQUIRED',
      challengeId: expect.any(String),
    });
    expect(JSON.stringify(asked.body)).not.toContain('ghr_');
    const rotated = cookieOf(asked, 'refresh');
    expect(rotated).not.toBe(cookie);
    await post('/api/security/step-up/verify', ABROAD, {
      code: codeAt(member.secret, new Date()),
      challengeId: asked.body.challengeId,
      purpose: 'security_settings',
    }).expect(200);
    expect((await refreshBy(rotated, ABROAD)).status).toBe(200);
  });

  it('gives the same next cookie to the same key, and takes another key for a theft', async () => {
    const { member, cookie } = await signIn();
    const first = await refreshBy(cookie, { 'idempotency-key': 'mine' });
    const again = await refreshBy(cookie, { 'idempotency-key': 'mine' });
    expect(cookieOf(again, 'refresh')).toBe(cookieOf(first, 'refresh'));
    // The browser kept the answer's cookie, but the page lost the answer: so the key is sent with
    // the new cookie.
    const third = await refreshBy(cookieOf(first, 'refresh'), { 'idempotency-key': 'mine' });
    expect(third.status).toBe(200);
    const thief = await refreshBy(cookie, { 'idempotency-key': 'another' });
    expect(thief.body).toEqual({ error: 'FORCE_LOGOUT', reason: 'reuse_detected' });
    expect(setOf(thief)).toEqual([expect.stringMatching(/^refresh=; .*Expires=Thu, 01 Jan 1970/)]);
    expect(await liveTokensOf(member.staffId)).toEqual([]);
  });

  it('removes a cookie that the server does not know, and revokes nothing', async () => {
    const res = await refreshBy(`refresh=ghr_${'A'.repeat(43)}`);
    expect(res.body).toEqual({ error: 'INVALID_REFRESH_TOKEN' });
    expect(setOf(res)[0]).toMatch(/^refresh=; /);
  });

  it('removes a cookie that no server of ours ever set', async () => {
    for (const value of ['', 'a'.repeat(257)]) {
      const res = await refreshBy(`refresh=${value}`);
      expect([res.status, res.body]).toEqual([401, { error: 'INVALID_REFRESH_TOKEN' }]);
      expect(setOf(res)).toEqual([expect.stringMatching(/^refresh=; /)]);
    }
  });

  it('keeps the cookie if tokens cannot be read, and sets the next one if the answer fails after the rotation', async () => {
    const { member, cookie } = await signIn();
    const away = await withoutTable('refresh_tokens', async () => refreshBy(cookie));
    expect([away.status, setOf(away)]).toEqual([503, []]);
    const broken = buildApp();
    const issue = () => {
      throw new Error('no access token today');
    };
    Object.assign(broken.deps, { accessTokens: { ...broken.deps.accessTokens, issue } });
    const failed = await request(broken.app)
      .post('/api/auth/refresh')
      .set({ ...HOME, cookie, 'idempotency-key': 'mine' })
      .send({});
    expect(failed.status).toBe(500);
    expect(await rotationsOf(member.staffId)).toBe(1);
    const next = cookieOf(failed, 'refresh');
    expect((await refreshBy(next, { 'idempotency-key': 'mine' })).status).toBe(200);
  });

  it('spends neither of two cookies, signs nobody out, and goes on when one is gone', async () => {
    const { member, cookie } = await signIn();
    const planted = `refresh=ghr_${'B'.repeat(43)}`;
    const own = (await signIn()).cookie;
    for (const doubled of [`${cookie}; ${planted}`, `${own}; ${cookie}`, `${cookie}; ${cookie}`]) {
      const res = await refreshBy(doubled, {}, OPTED_IN);
      expect([res.status, res.body.error]).toEqual([400, 'INVALID_INPUT']);
      expect(setOf(res)).toEqual([]);
      const out = await post('/api/auth/logout', { cookie: doubled });
      expect([out.status, out.body.error, setOf(out)]).toEqual([400, 'INVALID_INPUT', []]);
    }
    expect(await reusesOf(member.tenantId)).toBe(0);
    expect((await refreshBy(cookie)).status).toBe(200);
  });

  it('over TLS ignores a cookie without the prefix: a neighbour could have planted it', async () => {
    const { cookie } = await signIn({}, TLS);
    const bare = cookie.replace('__Host-', '');
    const res = await refreshBy(bare, TLS, OPTED_IN);
    expect(res.body).toEqual({ error: 'INVALID_REFRESH_TOKEN' });
    expect((await refreshBy(cookie, TLS)).status).toBe(200);
  });

  it('reads no body that a form of another page could send', async () => {
    const { member, cookie } = await signIn();
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const res = await request(app)
        .post('/api/auth/refresh')
        .set({ ...HOME, cookie, 'content-type': type })
        .send('{}');
      expect(res.status).toBe(415);
    }
    const empty = await request(app)
      .post('/api/auth/refresh')
      .set({ ...HOME, cookie });
    expect(empty.status).toBe(400);
    expect(await rotationsOf(member.staffId)).toBe(0);
  });
});

describe('signing out', () => {
  it('needs nothing but the cookie, ends its session and removes it', async () => {
    const { member, res, cookie } = await signIn();
    const out = await post('/api/auth/logout', { cookie });
    expect(out.status).toBe(204);
    expect(setOf(out)[0]).toMatch(/^refresh=; Path=\/; Expires=Thu, 01 Jan 1970/);
    expect((await me(app, res.body.accessToken)).status).toBe(401);
    expect((await refreshBy(cookie)).body).toEqual({ error: 'INVALID_REFRESH_TOKEN' });
    expect(await reusesOf(member.tenantId)).toBe(0);
  });

  it('by the cookie alone is refused to pages of other origins, and ends nothing', async () => {
    const { cookie } = await signIn();
    const origin = 'https://evil.example';
    const out = await post('/api/auth/logout', { cookie, origin });
    expect([out.status, out.body.error, setOf(out)]).toEqual([403, 'ORIGIN_REFUSED', []]);
    expect((await refreshBy(cookie)).status).toBe(200);
  });

  it.each(['logout', 'logout-all'])(
    'by an access token, with %s, removes the cookie, whatever it holds, and ends its session',
    async (path) => {
      const { cookie: own } = await signIn();
      const held = ['', 'a'.repeat(257), `ghr_${'C'.repeat(43)}`].map((one) => `refresh=${one}`);
      for (const cookie of [...held, `${held[2]}; ${own}`, own, own]) {
        const { token } = await seedTestUserAndToken();
        const out = await post(`/api/auth/${path}`, { cookie, authorization: `Bearer ${token}` });
        const removed = expect.stringMatching(/^refresh=; Path=\/; Expires=Thu, 01 Jan 1970/);
        expect([out.status, setOf(out)]).toEqual([204, [removed]]);
        expect((await me(app, token)).status).toBe(401);
      }
      expect((await refreshBy(own)).body).toEqual({ error: 'INVALID_REFRESH_TOKEN' });
    },
  );

  it('by an access token leaves the cookie of a page of another origin alone, and sets none if there is none', async () => {
    const { cookie } = await signIn();
    for (const headers of [{ cookie, origin: 'https://evil.example' }, {}]) {
      const { token } = await seedTestUserAndToken();
      const out = await post('/api/auth/logout', { ...headers, authorization: `Bearer ${token}` });
      expect([out.status, setOf(out)]).toEqual([204, []]);
    }
    expect((await refreshBy(cookie)).status).toBe(200);
  });
});
