import { gzipSync } from 'node:zlib';
import { Agent, createServer } from 'node:http';
import request from 'supertest';
import { routeTable } from '@/server/createApp';
import { SERVICE_SCOPE_NAMES } from '@/server/serviceScopes';
import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import { closeLater } from '@/tests/helpers/server/closing';
import { makeServiceKey } from '@/tests/helpers/people/programs';
import { expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { sendRaw } from '@/tests/helpers/http/rawRequest';
import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

// The budgets are large, because this file does not test them.
const { app, deps } = buildApp({ loginFailures: { perAccount: 50, perIp: 1e5, global: 1e7 } });
const server = createServer(app).listen(0);
closeLater(() => new Promise((resolve) => server.close(resolve)));

const id = `chl_${'A'.repeat(43)}`;
/** Well formed, but proves nothing. */
const assertion = {
  ...{ id: 'A'.repeat(43), rawId: 'A'.repeat(43), type: 'public-key' },
  response: { clientDataJSON: 'e30', authenticatorData: 'AAAA', signature: 'AAAA' },
};
const attestation = { ...assertion, response: { clientDataJSON: 'e30', attestationObject: 'oA' } };
const role = { name: 'Support', description: 'Helps', permissions: ['TENANT_STAFF_VIEW'] };
const ipRule = {
  ...{ action: 'allow', appliesTo: 'api_keys', range: '203.0.113.0/24', note: 'Lyon' },
  expiresAt: null,
};
const range = { from: '2026-01-01', to: '2026-01-02', format: 'json' };

const TOMORROW = new Date(Date.now() + 86_400_000).toISOString();

/**
 * For every route with a body, one that its schema accepts. A route that is missing here fails the
 * first test.
 */
const WELL_FORMED: Record<string, Record<string, unknown>> = {
  '/api/auth/login': {
    email: 'nobody@example.com',
    password: 'a long enough password',
    tenant: 'somewhere',
    rememberMe: true,
    challengeId: id,
  },
  '/api/auth/login/begin': { email: 'ann@example.com', tenant: 'acme', rememberMe: true },
  '/api/auth/login/complete': { challengeId: id },
  '/api/auth/logout': { refreshToken: `ghr_${'A'.repeat(43)}` },
  '/api/auth/refresh': { refreshToken: `ghr_${'A'.repeat(43)}` },
  '/api/auth/me': { name: 'Ann' },
  '/api/auth/me/own-proof': { currentPassword: 'a long enough password' },
  '/api/auth/email': { email: 'new@example.com', currentPassword: 'a long enough password' },
  '/api/auth/password': {
    currentPassword: 'a wrong enough password',
    newPassword: 'another long enough password',
  },
  '/api/auth/password/forgot': { email: 'nobody@example.com' },
  '/api/auth/password/reset/:token': { newPassword: 'another long enough password' },
  '/api/security/step-up/start': { method: 'passkey', purpose: 'data_export', challengeId: id },
  '/api/security/step-up/verify': { code: '123456', purpose: 'data_export', challengeId: id },
  // The same route once more, because the query is not read.
  '/api/security/step-up/verify?by=passkey': {
    passkey: assertion,
    purpose: 'data_export',
    challengeId: id,
  },
  '/api/security/passkeys/register/finish': { name: 'My key', response: attestation },
  '/api/security/totp/confirm': { code: '123456' },
  '/api/security/policy': { version: 0, policy: DEFAULT_POLICY },
  '/api/security/policy/simulate': { policy: DEFAULT_POLICY, days: 30 },
  '/api/security/ip-rules': {
    ...{ version: 0, rules: [ipRule], confirmLockout: 'acme', trialMinutes: 10 },
  },
  // The same path with another method.
  '/api/security/ip-rules?add': { ...ipRule, confirmLockout: 'acme' },
  '/api/security/ip-rules/:id': { ...ipRule, confirmLockout: 'acme' },
  '/api/security/ip-rules/simulate': { rules: [ipRule], days: 30, addresses: ['203.0.113.7'] },
  '/api/security/ip-rules/trial/confirm': { version: 0 },
  '/api/tenants/domains': { domain: 'hostile-input.example', ticket: 'OPS-7' },
  '/api/security/risk-decisions/:id/verdict': { verdict: 'legitimate', note: 'it was me' },
  '/api/security/impersonation/start': {
    ...{ staffId: '0198c2f4-7a51-7cc3-98c4-dc0c0c07398f', reason: 'Look', ticket: 'T-1' },
    ...{ minutes: 5, scope: 'read_only' },
  },
  '/api/security/impersonation/policy': {
    version: 0,
    policy: { mode: 'off', consent: 'told', ticketRequired: false, maxMinutes: 30 },
  },
  '/api/auth/me/impersonation-consent': { until: '2026-01-01T00:00:00.000Z' },
  '/api/tenants/invitations': {
    ...{ email: 'new@example.com', roles: ['member'], permissions: [], delivery: 'link' },
    ticket: 'T-1',
  },
  '/api/tenants/invitations/:id/resend': { delivery: 'link', ticket: 'T-1' },
  '/api/invitations/:token/accept': { password: 'a long password', name: 'Ann', code: '123456' },
  '/invitation/:token': { step: 'accept', password: 'a long password', name: 'Ann', code: '1' },
  '/api/tenants/roles': role,
  '/api/tenants/roles/:id': { ...role, updatedAt: '2026-01-01T00:00:00.000Z' },
  // The same path with another method.
  '/api/tenants/roles/:id?remove': { ticket: 'HR-1' },
  '/api/tenants/sso': {
    ...{ name: 'Okta', issuer: 'https://127.0.0.1', clientId: 'c', clientSecret: 'a secret' },
    ...{ tokenAuth: 'basic', requiredHostedDomain: 'example.com' },
  },
  '/api/tenants/sso/:id': {
    ...{ name: 'Okta', issuer: 'https://127.0.0.1', clientId: 'c', clientSecret: 'a secret' },
    ...{ tokenAuth: 'basic', requiredHostedDomain: 'example.com' },
  },
  '/api/tenants/sso/:id/try': {},
  '/api/auth/login/discover': { email: 'nobody@example.com' },
  '/api/auth/sso/start': { connectionId: id, rememberMe: false },
  '/api/auth/sso/complete': { refreshCookie: false },
  '/api/auth/me/identities/start': { connectionId: id },
  '/api/auth/me/identities/complete': {},
  '/api/tenants/sso/:id/secret': { clientSecret: 'a secret', overlapSec: 0 },
  '/api/tenants/api-keys': {
    ...{ name: 'Nightly', permissions: ['TENANT_STAFF_VIEW'], addresses: ['192.0.2.0/24'] },
    ...{ expiresInDays: 30, ticket: 'T-1' },
  },
  '/api/tenants/api-keys/:id': {
    ...{ name: 'Nightly', permissions: ['TENANT_STAFF_VIEW'], addresses: ['192.0.2.0/24'] },
    ticket: 'T-1',
  },
  '/api/tenants/api-keys/:id/rotate': { overlapSec: 0, expiresInDays: 30, ticket: 'T-1' },
  '/api/service/tenants': { slug: 'globex', name: 'Globex', ticket: 'T-1' },
  '/api/service/tenants/:id/suspend': { ticket: 'T-1' },
  '/api/service/tenants/:id/resume': { ticket: 'T-1' },
  '/api/audit/events': {
    events: [
      {
        ...{ action: 'app.project.deleted', tenant: 'globex', subject: 'project:1' },
        ...{ occurredAt: '2026-01-01T00:00:00.000Z', address: '192.0.2.1', correlationId: 'c-1' },
        ...{ outcome: 'success', actor: { name: 'import' }, details: { project: 'p' } },
      },
    ],
  },
  '/api/audit/event-types': {
    'app.hostile': { sentence: 'It happened', details: { type: 'object', properties: {} } },
  },
  '/api/token/introspect': { token: 'nonsense', token_type_hint: 'x', address: '192.0.2.1' },
  '/api/token/step-up': { token: 'nonsense', purpose: 'app:x', windowSec: 600, consume: false },
  '/api/tenants/approvals/:id/approve': {},
  '/api/tenants/approvals/:id/refuse': {},
  '/api/tenants/approvals/:id/withdraw': {},
  '/api/tenants/current': { name: 'Acme', ticket: 'T-1' },
  '/api/tenants/current/policy': { needsApproval: false },
  '/api/tenants/staff/force-logout': { ticket: 'SEC-1', includeMe: false },
  '/api/tenants/staff/:id': { ticket: 'HR-1', reason: 'They left' },
  '/api/tenants/staff/:id/roles': { roles: ['member'], permissions: [], ticket: 'HR-1' },
  '/api/tenants/staff/:id/disable': { ticket: 'HR-1', reason: 'They left' },
  '/api/tenants/staff/:id/end': { endsAt: TOMORROW, ticket: 'HR-1' },
  '/api/tenants/staff/:id/enable': { ticket: 'HR-1', reason: 'They are back' },
  '/api/tenants/staff/:id/reset-factors': { ticket: 'IT-1', reason: 'The phone was lost' },
  '/api/tenants/staff/:id/force-logout': { ticket: 'SEC-1' },
  '/api/compliance/export/bundle': range,
  '/api/compliance/export/security-events': range,
};
const PATHS = Object.keys(WELL_FORMED);
const routeOf = (path: string) => path.split('?', 1)[0];
/** These schemas accept no unknown fields. */
const STRICT = PATHS.filter((path) =>
  /policy|ip-rules|verdict|tenants|audit|impersonation|token.step-up|sso|discover|identities/.test(
    path,
  ),
);
/** The fields that may be null. */
const NULLABLE: Record<string, string> = {
  '/api/security/risk-decisions/:id/verdict': 'note',
  '/api/auth/me': 'name',
  '/api/security/ip-rules?add': 'expiresAt',
  '/api/security/ip-rules/:id': 'expiresAt',
  '/api/tenants/staff/:id/end': 'endsAt',
  '/api/tenants/sso': 'requiredHostedDomain',
  '/api/tenants/sso/:id': 'requiredHostedDomain',
};
/** The routes behind a page, whose form they take as well, and one that a standard wants so. */
const TAKES_FORM = [
  '/api/token/introspect',
  '/invitation/:token',
  '/api/auth/password/reset/:token',
];
/** The answer to an empty body, for routes on which the body may be omitted. */
const OPTIONAL_BODY: Record<string, number> = {
  '/api/auth/login/complete': 404,
  '/api/auth/logout': 401,
  '/api/auth/sso/complete': 403,
  '/api/auth/me/identities/complete': 403,
  '/api/tenants/sso/:id/try': 404,
  '/api/tenants/staff/force-logout': 200,
  '/api/tenants/staff/:id': 404,
  '/api/tenants/staff/:id/disable': 404,
  '/api/tenants/staff/:id/enable': 404,
  '/api/tenants/staff/:id/force-logout': 404,
  '/api/tenants/approvals/:id/approve': 404,
  '/api/tenants/approvals/:id/refuse': 404,
  '/api/tenants/approvals/:id/withdraw': 404,
  '/api/tenants/roles/:id?remove': 404,
  '/api/tenants/invitations/:id/resend': 404,
  '/api/service/tenants/:id/suspend': 404,
  '/api/service/tenants/:id/resume': 404,
  '/api/invitations/:token/accept': 404,
};
/** The answer to a body of unknown fields. */
const oddFields = (path: string) => (STRICT.includes(path) ? 400 : (OPTIONAL_BODY[path] ?? 400));
/** Requested without a session, because it would end it. */
const SIGNS_OUT = '/api/auth/logout';
/** The answer to a well-formed body, if it is not a 200, 401 or 404. */
const TAKEN: Record<string, number[]> = {
  [SIGNS_OUT]: [204],
  // No mail can be sent here, and the password is a wrong one.
  '/api/auth/email': [409],
  '/api/auth/me/own-proof': [204],
  '/api/auth/password': [403],
  '/api/auth/password/forgot': [202],
  // A trial runs after the first body, and none does when it is confirmed.
  '/api/security/ip-rules': [200, 409],
  '/api/security/ip-rules?add': [200, 409],
  '/api/security/ip-rules/trial/confirm': [409],
  '/api/tenants/domains': [201, 409],
  // A name or a slug can be used once.
  '/api/tenants/api-keys': [201, 409],
  '/api/service/tenants': [201, 409],
  // The server asks no provider on its own machine.
  '/api/tenants/sso': [400],
  // No browser has come back from a provider.
  '/api/auth/sso/complete': [403],
  '/api/auth/me/identities/complete': [403],
  // No such type of event is declared.
  '/api/audit/events': [400],
};

let token: string;
let serviceKey: string;

beforeAll(async () => {
  ({ token } = await seedTestUserAndToken({
    permissions: [...BUILT_IN_PERMISSIONS],
  }));
  serviceKey = await makeServiceKey(deps, SERVICE_SCOPE_NAMES);
});

afterEach(() => {
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  expect(Object.keys(Object.prototype)).toEqual([]);
});

/** The bodies of SCIM ignore what they do not know: tests/scim/hostileScim.test.ts. */
const withBody = routeTable(deps).filter(({ endpoint }) => endpoint.body && !endpoint.takesScim);
const methodOf = (path: string) => {
  if (path.endsWith('?remove')) return 'delete';
  if (path.endsWith('?add')) return 'post';
  return withBody.find((route) => route.path === routeOf(path))?.method ?? 'post';
};

const takesBatch = (path: string) =>
  withBody.some(
    (route) =>
      route.path === routeOf(path) && route.method === methodOf(path) && route.endpoint.takesBatch,
  );

function bearerOf(path: string): Record<string, string> {
  if (path === SIGNS_OUT) return {};
  const isService = /^\/api\/(?:service|audit|token)\//.test(path);
  return { authorization: `Bearer ${isService ? serviceKey : token}` };
}

/** Sends a request for which every gate is open, so that a refusal is about the body. */
const post = (path: string) =>
  request(server)
    [methodOf(path)](path)
    .set(bearerOf(path))
    .set('x-stepup-test-bypass', '1')
    .set('idempotency-key', 'hostile')
    .set('content-type', 'application/json');

it('knows every route with a body', () => {
  const known = new Set(PATHS.map((path) => `${methodOf(path)} ${routeOf(path)}`));
  const found = withBody.map(({ method, path }) => `${method} ${path}`);
  expect(found.sort()).toEqual([...known].sort());
});

describe.each(PATHS)('%s', (path) => {
  it.each([
    ['cut off', '{"email":'],
    ['empty but for spaces', '   '],
    ['a comma too many', '{"email":"a@b.c",}'],
    ['single quotes', "{'email':'a@b.c'}"],
    ['a word', 'undefined'],
    ['a bare string', '"email"'],
    ['a bare number', '1'],
    ['null', 'null'],
    ['two documents', '{}{}'],
    ['a comment', '{} // yes'],
    ['not a number', '{"email":NaN}'],
  ])('refuses a body that is no JSON object, %s, with 400', async (_name, body) => {
    expectRefusal(await post(path).send(body), [400]);
  });

  it('refuses an array for an object, and bytes that are no UTF-8', async () => {
    expectRefusal(await post(path).send('[]'), [400]);
    expectRefusal(await post(path).send('[{}]'), [400]);
    const res = await post(path)
      .serialize((body: unknown) => body as string)
      .send(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31]) as unknown as string);
    expectRefusal(res, [400]);
  });

  it('refuses 10 MB with 413, declared or chunked', async () => {
    const big = `{"email":"${'a'.repeat(10_000_000)}"}`;
    expectRefusal(await post(path).send(big), [413]);
    const chunk = `${(65_000).toString(16)}\r\n${'a'.repeat(65_000)}\r\n`;
    const lines = [
      `${methodOf(path).toUpperCase()} ${path} HTTP/1.1`,
      ...Object.entries(bearerOf(path)).map((header) => header.join(': ')),
      'x-stepup-test-bypass: 1',
      'content-type: application/json',
      'transfer-encoding: chunked',
    ];
    const res = await sendRaw(server, lines, `${chunk.repeat(takesBatch(path) ? 9 : 3)}0\r\n\r\n`);
    expect(res.status).toBe(413);
  });

  it('is not brought down by deep nesting', async () => {
    const depth = 15_000;
    expectRefusal(await post(path).send('['.repeat(depth) + ']'.repeat(depth)), [400]);
    const objects = '{"a":'.repeat(9000) + '1' + '}'.repeat(9000);
    expectRefusal(await post(path).send(objects), [oddFields(path)]);
    for (const field of Object.keys(WELL_FORMED[path] ?? {})) {
      const deep = JSON.stringify({ ...WELL_FORMED[path], [field]: 0 }).replace(
        `"${field}":0`,
        `"${field}":${'['.repeat(depth)}${']'.repeat(depth)}`,
      );
      expectRefusal(await post(path).send(deep), [400]);
    }
  });

  it('takes each field in its one type and nothing else', async () => {
    const valid = WELL_FORMED[path] ?? {};
    for (const [field, value] of Object.entries(valid)) {
      const other = typeof value === 'boolean' ? 'true' : true;
      // Without care, code would read the length of a value before its type.
      const lengths = [{ length: 20 }, { length: { toString: 1 } }, { length: [] }];
      const simple = typeof value === 'number' ? ['7', other] : [7, other];
      const nothing = NULLABLE[path] === field ? [] : [null];
      for (const wrong of [[value], { value }, ...simple, -1.5e300, ...nothing, ...lengths]) {
        expectRefusal(await post(path).send({ ...valid, [field]: wrong }), [400]);
      }
    }
  });

  it('refuses NUL, lone surrogates and endless text in each of its texts', async () => {
    const valid = WELL_FORMED[path] ?? {};
    const texts = Object.entries(valid).filter(([, value]) => typeof value === 'string');
    expect(texts.length > 0).toBe(
      !/policy(?:$|\/)|approvals|audit|ip-rules\/[st]|(?:sso|identities)\/complete|\/try$/.test(
        path,
      ),
    );
    for (const [field, value] of texts) {
      for (const odd of ['\\u0000', '\\ud800', '\\udfff\\ud800', 'a'.repeat(60_000)]) {
        const body = JSON.stringify(valid).replace(`"${field}":"`, `"${field}":"${odd}`);
        expect(body).toContain(`${odd}${String(value)}`);
        expectRefusal(await post(path).send(body), [400]);
      }
    }
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/xml',
    'application/problem+json',
    'application/json; charset=latin1',
    'application/json; charset=utf-99',
    'json',
    ';;;',
  ])('refuses content-type %s with 415, or with 400 if the route takes forms', async (type) => {
    const body = JSON.stringify(WELL_FORMED[path]);
    const isForm = type === 'application/x-www-form-urlencoded' && TAKES_FORM.includes(path);
    expectRefusal(await post(path).set('content-type', type).send(body), [isForm ? 400 : 415]);
  });

  it('refuses a body without a type, a compressed one and one that is missing', async () => {
    const bare = [
      `${methodOf(path).toUpperCase()} ${path} HTTP/1.1`,
      ...Object.entries(bearerOf(path)).map((header) => header.join(': ')),
      'x-stepup-test-bypass: 1',
    ];
    expect((await sendRaw(server, [...bare, 'content-length: 2'], '{}')).status).toBe(415);
    for (const encoding of ['gzip', 'deflate', 'br', 'rot13']) {
      const res = await post(path)
        .set('content-encoding', encoding)
        .serialize((body: unknown) => body as string)
        .send(gzipSync(JSON.stringify(WELL_FORMED[path])) as unknown as string);
      expectRefusal(res, [415]);
    }
    const missing = OPTIONAL_BODY[path] ?? 400;
    expect((await sendRaw(server, bare)).status).toBe(missing);
    expect((await sendRaw(server, [...bare, 'content-length: 0'])).status).toBe(missing);
  });

  it('is not polluted through __proto__, constructor or the query', async () => {
    const poison =
      '"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":null';
    const alone = await post(path).send(`{${poison}}`);
    expectRefusal(alone, [oddFields(path)]);
    const valid = JSON.stringify(WELL_FORMED[path]);
    const res = await post(path)
      .query('__proto__[polluted]=1&constructor[prototype][polluted]=1')
      .send(`{${poison},${valid.slice(1)}`);
    const taken = TAKEN[path] ?? [200, 401, 404];
    expect(STRICT.includes(path) ? [400] : taken).toContain(res.status);
  });
});

it('answers many hostile requests on one connection: none desynchronises it', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (const body of [
    '{',
    '[]',
    `{"email":"${'a'.repeat(200_000)}"}`,
    'null',
    '{"email":"a@b.c"}',
  ]) {
    expectRefusal(await post('/api/auth/login').agent(agent).send(body), [400, 413]);
  }
  expect((await request(server).get('/health/live').agent(agent)).status).toBe(200);
  agent.destroy();
});
