import { createServer } from 'node:http';
import request from 'supertest';
import { routeTable } from '@/server/createApp';
import { closeLater } from '@/tests/helpers/server/closing';
import { LEAK, expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { sendRaw } from '@/tests/helpers/http/rawRequest';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const server = createServer(app).listen(0);
closeLater(() => new Promise((resolve) => server.close(resolve)));

/** Returns as much of a hostile text as a test title can show. */
const short = (text: string) => JSON.stringify(text).slice(0, 60);

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('x-correlation-id', () => {
  it.each(['a', 'req-1:2.3_4', 'Z'.repeat(128), '0'])('is taken over: %s', async (given) => {
    const res = await request(server).get('/health/live').set('x-correlation-id', given);
    expect(res.headers['x-correlation-id']).toBe(given);
  });

  it.each([
    ['encoded line breaks', 'abc%0d%0ax-evil: 1'],
    ['a space', 'a b'],
    ['a tab', 'a\tb'],
    ['129 characters', 'a'.repeat(129)],
    ['16 KB nearly', 'a'.repeat(15_000)],
    ['a letter with an accent', 'caf\xe9'],
    ['markup', '<script>alert(1)</script>'],
    ['JSON that forges a line', '","level":60,"msg":"forged'],
    ['nothing', ''],
    ['a slash', '../../etc'],
  ])('is replaced where it holds %s', async (_name, given) => {
    const res = await sendRaw(server, ['GET /health/live HTTP/1.1', `x-correlation-id: ${given}`]);
    expect(res.status).toBe(200);
    expect(res.headers.get('x-correlation-id')).toEqual([expect.stringMatching(UUID)]);
    expect([...res.headers.keys()]).not.toContain('x-evil');
  });

  it('is replaced where it comes twice', async () => {
    const twice = ['x-correlation-id: one', 'x-correlation-id: two'];
    const res = await sendRaw(server, ['GET /health/live HTTP/1.1', ...twice]);
    expect(res.headers.get('x-correlation-id')).toEqual([expect.stringMatching(UUID)]);
  });

  it.each(['a\rx-evil: 1', 'a\nx-evil: 1', 'a\0b'])(
    'cannot split the answer: %j',
    async (given) => {
      const lines = ['GET /health/live HTTP/1.1', `x-correlation-id: ${given}`];
      const res = await sendRaw(server, lines);
      expect([200, 400]).toContain(res.status);
      expect(res.headers.get('x-evil')).toBeUndefined();
    },
  );
});

/**
 * The statuses for nobody at a guarded route. A step-up can also be answered by cookie or id, and an
 * invitation is accepted by its link, so without a token the body or the link is the reason.
 */
function refusalsAt(path: string): number[] {
  if (path.includes('/step-up/')) return [400];
  return path.startsWith('/api/invitations/') ? [401, 404] : [401];
}

describe('an absurd Authorization header', () => {
  const guarded = routeTable(deps).filter(({ guards }) => guards.length > 0);
  it.each(
    [
      'Bearer',
      'Bearer ',
      'Bearer a b',
      'Bearer null',
      'Bearer undefined',
      'Bearer ..',
      'Bearer a.b.c',
      `Bearer ${'.'.repeat(5000)}`,
      `Bearer ${'e30.'.repeat(3000)}`,
      `Bearer ${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.e30.`,
      `Bearer ${Buffer.from('null').toString('base64url')}.bnVsbA.AA`,
      `Bearer ${Buffer.from('{"alg":"ES256","typ":"at+jwt","kid":"__proto__"}').toString('base64url')}.e30.AA`,
      `Bearer ${Buffer.from('{"alg":"ES256","typ":"at+jwt","kid":{"a":1}}').toString('base64url')}.e30.AA`,
      'Basic dGVzdDp0ZXN0',
      'Digest username="x"',
      `Bearer '; DROP TABLE users; --`,
      'Bearer \xff\xfe',
      ',',
    ].map((header) => [short(header), header] as const),
  )('is nobody: %s', async (_title, authorization) => {
    for (const { method, path } of guarded) {
      const lines = [
        `${method.toUpperCase()} ${path.replace(/:\w+/, 'x')} HTTP/1.1`,
        'content-length: 0',
      ];
      const res = await sendRaw(server, [...lines, `authorization: ${authorization}`]);
      expect(refusalsAt(path).map((status) => [path, status])).toContainEqual([path, res.status]);
      expect(res.body).not.toMatch(LEAK);
    }
  });

  it('of more than 16 KB does not reach the application', async () => {
    const lines = ['GET /api/auth/me HTTP/1.1', `authorization: Bearer ${'a'.repeat(20_000)}`];
    expect((await sendRaw(server, lines)).status).toBe(431);
  });
});

describe('other hostile headers', () => {
  it.each(
    [
      ['x-forwarded-for', 'not an address'],
      ['x-forwarded-for', '999.999.999.999, ::::, 1.2.3'],
      ['x-forwarded-for', '::ffff:8.8.8.8'],
      ['x-forwarded-for', 'fe80::1%eth0'],
      ['x-forwarded-for', ','.repeat(500)],
      ['x-forwarded-for', "1.1.1.1'; DROP TABLE users; --"],
      ['x-forwarded-proto', 'javascript:'],
      ['x-forwarded-host', '@evil'],
      ['user-agent', '\xff'.repeat(4000)],
      ['user-agent', ''],
      ['cookie', 'gh_device=%00; gh_challenge=%ff%fe'],
      ['cookie', 'gh_device=.; gh_challenge=chl_'],
      ['cookie', `gh_device=${'a'.repeat(5000)}; __proto__=1; constructor=2; ;;;==`],
      ['cookie', 'gh_device=__proto__.constructor; gh_challenge=[object Object]'],
      ['range', 'bytes=0-1'],
      ['accept', 'application/x-nothing'],
      ['accept-encoding', 'identity;q=0'],
      ['expect', 'the unexpected'],
      ['if-none-match', '*'],
      ['x-http-method-override', 'DELETE'],
    ].map(([name = '', value = '']) => [`${name}: ${short(value)}`, name, value] as const),
  )('%s: a login is answered as ever', async (_title, name, value) => {
    const { email, password } = await seedTestUserAndToken();
    const body = JSON.stringify({ email, password });
    const lines = [
      'POST /api/auth/login HTTP/1.1',
      'content-type: application/json',
      `content-length: ${body.length}`,
      `${name}: ${value}`,
    ];
    const res = await sendRaw(server, lines, body);
    expect(res.status).toBe(name === 'expect' ? 417 : 200);
  });

  it.each(['', 'a b', '\xe9', 'k'.repeat(256)])('idempotency-key: %s is refused', async (key) => {
    const { refreshToken } = await seedTestUserAndToken();
    const body = JSON.stringify({ refreshToken });
    const lines = [
      'POST /api/auth/refresh HTTP/1.1',
      'content-type: application/json',
      `content-length: ${body.length}`,
      `idempotency-key: ${key}`,
    ];
    expect((await sendRaw(server, lines, body)).status).toBe(400);
    // The request did not spend the token.
    const again = await request(server).post('/api/auth/refresh').send({ refreshToken });
    expect(again.status).toBe(200);
  });
});

describe('a broken path', () => {
  it.each(
    (
      [
        ['/api/auth/sessions/%', 400],
        ['/api/auth/sessions/%E0%A4%A', 400],
        ['/api/auth/sessions/%ff', 400],
        ['/api/auth/sessions/%00', 404],
        ['/api/auth/sessions/%ed%a0%80', 400],
        [`/api/auth/sessions/${'a'.repeat(8000)}`, 404],
        ["/api/auth/sessions/1'%20OR%20'1'='1", 404],
        ['/api/auth/sessions/..%2f..%2fme', 404],
        ['/api/auth/sessions/__proto__', 404],
        ['/api/auth/sessions/%2e%2e', 404],
        ['/api/auth/sessions/[object%20Object]', 404],
      ] as const
    ).map(([path, status]) => [short(path), status, path] as const),
  )('%s is refused with %i', async (_title, status, path) => {
    const { token } = await seedTestUserAndToken();
    const lines = [`DELETE ${path} HTTP/1.1`, `authorization: Bearer ${token}`];
    const res = await sendRaw(server, lines);
    expect(res.status).toBe(status);
    expect(res.headers.get('content-type')).toEqual(['application/problem+json; charset=utf-8']);
    expect(res.body).not.toMatch(LEAK);
  });

  it.each([
    '/',
    '//',
    '/api',
    '/api/auth/../auth/me',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/api/auth/login%00',
    '/api/auth/login;x=1',
    '/.env',
    '/package.json',
    '/__proto__',
    '/constructor',
    '*',
    'http://evil.example/api/nothing',
  ])('%s is 404', async (path) => {
    const res = await sendRaw(server, [`GET ${path} HTTP/1.1`]);
    expect(res.status).toBe(404);
    expect(res.body).not.toMatch(LEAK);
  });
});

describe('a method that a route does not have', () => {
  const allowed = new Map<string, Set<string>>();
  for (const { path, method, endpoint } of routeTable(deps)) {
    if (endpoint.takesAnyRequest) continue;
    allowed.set(path, (allowed.get(path) ?? new Set()).add(method.toUpperCase()));
  }

  const matches = (pattern: string, path: string) =>
    new RegExp(`^${pattern.replaceAll(/:\w+/g, '[^/:]+')}$`).test(path);

  it.each([...allowed.keys()])('is 405 with Allow at %s', async (path) => {
    const known = allowed.get(path) ?? new Set();
    // The text of this path is also an id in the path of another route.
    const elsewhere = [...allowed].flatMap(([other, names]) =>
      other !== path && matches(other, path) ? [...names] : [],
    );
    // Express answers HEAD on every route with a GET.
    const methods = [
      'GET',
      'POST',
      'PUT',
      'PATCH',
      'DELETE',
      'OPTIONS',
      'TRACE',
      'PROPFIND',
      'LOCK',
    ];
    for (const method of methods.filter((name) => !known.has(name) && !elsewhere.includes(name))) {
      const lines = [`${method} ${path.replace(/:\w+/, 'x')} HTTP/1.1`, 'content-length: 0'];
      const res = await sendRaw(server, lines);
      expect([method, res.status]).toEqual([method, 405]);
      expect(res.headers.get('allow')).toEqual([[...known].join(', ')]);
      const ofScim = { status: '405', detail: 'Method not allowed.' };
      const problem = { error: 'METHOD_NOT_ALLOWED', status: 405 };
      const isScim = path.startsWith('/scim/');
      expect(JSON.parse(res.body)).toMatchObject(isScim ? ofScim : problem);
    }
  });

  it('that nobody knows does not reach the application', async () => {
    expect((await sendRaw(server, ['BREAK /health/live HTTP/1.1'])).status).toBe(400);
  });

  it('is 404 at a path that does not exist', async () => {
    expectRefusal(await request(server).patch('/api/nothing').send({}), [404]);
  });
});
