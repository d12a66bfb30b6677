import request from 'supertest';
import { routeTable } from '@/server/createApp';
import { browserOf, cookieOf } from '@/tests/helpers/http/authCalls';
import { cookieCalls } from '@/tests/helpers/http/cookieCalls';
import { memoryLog } from '@/tests/helpers/server/memoryLog';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';
import { ABROAD, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

const LISTED = 'https://app.example.com';
const OTHER = 'http://localhost:5173';
const UNLISTED = [
  'https://evil.example',
  'http://app.example.com',
  'https://app.example.com.evil.example',
  'https://app.example.com:8443',
  'https://APP.example.com',
  'null',
  '*',
  `${LISTED}, ${OTHER}`,
];

const { app, deps } = buildApp({ corsOrigins: [LISTED, OTHER] });
const closed = buildApp().app;

const corsHeadersOf = ({ headers }: request.Response) =>
  Object.fromEntries(
    Object.entries(headers as Record<string, string>).filter(([name]) =>
      name.startsWith('access-control-'),
    ),
  );

const READABLE = {
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers':
    'content-disposition, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-correlation-id',
};

const askFirst = (on: typeof app, path: string, origin: string, method = 'POST') =>
  request(on).options(path).set({
    origin,
    'access-control-request-method': method,
    'access-control-request-headers': 'authorization,content-type,idempotency-key',
  });

const methods = new Map<string, string[]>();
for (const { path, method, endpoint } of routeTable(deps)) {
  // Its OPTIONS is the question of a gateway.
  if (endpoint.takesAnyRequest) continue;
  methods.set(path, [...(methods.get(path) ?? []), method.toUpperCase()]);
}

describe('without CORS_ORIGINS', () => {
  it.each([LISTED, ...UNLISTED])('no answer speaks of CORS to %s', async (origin) => {
    for (const path of ['/health/live', '/api/auth/me', '/nowhere']) {
      const res = await request(closed).get(path).set('origin', origin);
      expect(corsHeadersOf(res)).toEqual({});
      expect(res.headers).not.toHaveProperty('vary');
      expect(res.headers['cross-origin-resource-policy']).toBe('same-origin');
    }
    const res = await askFirst(closed, '/api/auth/login', origin);
    expect([res.status, corsHeadersOf(res)]).toEqual([405, {}]);
  });
});

describe('a preflight', () => {
  it.each([...methods])(
    'of a listed origin is answered at %s with the methods %j',
    async (path, allowed) => {
      for (const origin of [LISTED, OTHER]) {
        const res = await askFirst(app, path.replace(/:\w+/, 'x'), origin, allowed[0]);
        expect(res.status).toBe(204);
        expect(res.text).toBe('');
        expect(corsHeadersOf(res)).toEqual({
          ...READABLE,
          'access-control-allow-origin': origin,
          'access-control-allow-methods': allowed.join(', '),
          'access-control-allow-headers':
            'authorization, content-type, idempotency-key, x-correlation-id',
          'access-control-max-age': '600',
        });
        expect(res.headers['vary']).toMatch(/\borigin\b/i);
      }
    },
  );

  it.each(UNLISTED)('of %s is 405 as ever, and allows nothing', async (origin) => {
    const res = await askFirst(app, '/api/auth/login', origin);
    expect([res.status, corsHeadersOf(res)]).toEqual([405, {}]);
  });

  it('of a path that does not exist is 404', async () => {
    expect((await askFirst(app, '/nowhere', LISTED)).status).toBe(404);
  });

  it('is no plain OPTIONS: that is 405', async () => {
    const res = await request(app).options('/api/auth/login').set('origin', LISTED);
    expect([res.status, res.headers['allow']]).toEqual([405, 'POST']);
  });
});

describe('an answer', () => {
  const asks: [string, (on: typeof app) => request.Test, number][] = [
    ['200', (on) => request(on).get('/health/live'), 200],
    ['400', (on) => request(on).post('/api/auth/login').send({}), 400],
    ['401', (on) => request(on).get('/api/auth/me'), 401],
    ['404', (on) => request(on).get('/nowhere'), 404],
    ['405', (on) => request(on).patch('/api/auth/me'), 405],
    [
      '413',
      (on) =>
        request(on)
          .post('/api/auth/login')
          .send({ a: 'a'.repeat(100_000) }),
      413,
    ],
    ['415', (on) => request(on).post('/api/auth/login').type('text/plain').send('a'), 415],
  ];

  it.each(asks)('%s can be read by pages of listed origins alone', async (_name, send, status) => {
    const listed = await send(app).set('origin', LISTED);
    expect(listed.status).toBe(status);
    expect(corsHeadersOf(listed)).toEqual({ ...READABLE, 'access-control-allow-origin': LISTED });
    for (const headers of [{}, ...UNLISTED.map((origin) => ({ origin }))]) {
      const res = await send(app).set(headers);
      // Nothing else about it differs.
      expect([res.status, corsHeadersOf(res)]).toEqual([status, {}]);
      // A cache must not give this answer to a page of a listed origin.
      expect(res.headers['vary']).toMatch(/\borigin\b/i);
    }
  });
});

it('a probe without CORS gets through at /health/live, and nowhere else', async () => {
  const policyAt = async (path: string) =>
    (await request(app).get(path)).headers['cross-origin-resource-policy'];
  for (const path of ['/health/live', '/HEALTH/live', '/health/live/', '/health/Live/?x=1'])
    expect(await policyAt(path)).toBe('cross-origin');
  expect(await policyAt('/health/ready')).toBe('same-origin');
  expect(await policyAt('/api/auth/me')).toBe('same-origin');
});

describe('the challenge cookie of a login', () => {
  const sameSite = (origin: string) => ({ origin, 'sec-fetch-site': 'same-site' });

  it('counts for pages of a listed origin on the same site, and for no other', async () => {
    const member = await seedTraveller(app);
    const asked = await attemptLogin(app, member, { ...ABROAD, ...sameSite(LISTED) });
    expect(asked.status).toBe(428);
    const cookie = browserOf(asked);
    const verify = (origin: string) =>
      request(app)
        .post('/api/security/step-up/verify')
        .set({ ...ABROAD, ...sameSite(origin), cookie })
        .send({ code: codeAt(member.secret, new Date()), purpose: 'security_settings' });
    for (const origin of UNLISTED) expect((await verify(origin)).status).toBe(401);
    expect((await verify(LISTED)).status).toBe(200);
    const login = await attemptLogin(app, member, { ...ABROAD, ...sameSite(LISTED), cookie });
    expect(login.status).toBe(200);
  });
});

it('the refresh cookie counts for pages of a listed origin on the same site, and for no other', async () => {
  const { signIn, refreshBy, post } = cookieCalls(app);
  const from = (origin: string) => ({ origin, 'sec-fetch-site': 'same-site' });
  const { cookie } = await signIn({}, from(LISTED));
  for (const origin of UNLISTED) {
    const refused = await refreshBy(cookie, from(origin));
    expect([refused.status, refused.body.error]).toEqual([403, 'ORIGIN_REFUSED']);
  }
  const next = await refreshBy(cookie, from(LISTED));
  expect([next.status, corsHeadersOf(next)]).toEqual([
    200,
    { ...READABLE, 'access-control-allow-origin': LISTED },
  ]);
  const out = await post('/api/auth/logout', {
    ...from(LISTED),
    cookie: cookieOf(next, 'refresh'),
  });
  expect(out.status).toBe(204);
});

it('a bearer works from any origin: CORS decides who reads, not who may', async () => {
  const { token } = await seedTestUserAndToken();
  for (const origin of [LISTED, 'https://evil.example']) {
    const headers = { origin, authorization: `Bearer ${token}` };
    expect((await request(app).get('/api/auth/me').set(headers)).status).toBe(200);
  }
});

describe('the log', () => {
  const told = (lines: { code?: string; origin?: string }[]) =>
    lines.filter(({ code }) => code === 'ORIGIN_NOT_LISTED').map(({ origin }) => origin);
  const from = (on: typeof app, origin: string, more = {}) =>
    request(on)
      .get('/nowhere')
      .set({ host: 'auth.example.com', origin, ...more });

  it('names an origin once that is not in CORS_ORIGINS, whether there are any, and no other', async () => {
    for (const corsOrigins of [[LISTED], []]) {
      const { lines, logger } = memoryLog();
      const on = buildApp({ corsOrigins }, { logger }).app;
      for (const origin of ['http://localhost:4321', 'null', 'http://localhost:4321', 'null'])
        await from(on, origin);
      await askFirst(on, '/api/auth/login', 'http://localhost:4322');
      await from(on, 'http://auth.example.com');
      await from(on, 'https://gateway.example.com', { 'sec-fetch-site': 'same-origin' });
      if (corsOrigins.length > 0) await from(on, LISTED);
      expect(told(lines)).toEqual(['http://localhost:4321', 'null', 'http://localhost:4322']);
    }
  });

  it('holds of an Origin no more than scheme and host, cut, of a hundred at most', async () => {
    const { lines, logger } = memoryLog();
    const on = buildApp({}, { logger }).app;
    await from(on, 'https://user:secret@app.example.net/a/path?secret#secret');
    await from(on, 'a secret that is no origin');
    await from(on, `https://${'a'.repeat(300)}.example.net`);
    expect(told(lines)).toEqual([
      'https://app.example.net',
      'malformed',
      `https://${'a'.repeat(120)}`,
    ]);
    for (let port = 2000; port < 2110; port += 1) await from(on, `http://localhost:${port}`);
    expect(told(lines)).toHaveLength(100);
  });
});
