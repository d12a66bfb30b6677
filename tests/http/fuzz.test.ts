import { createServer } from 'node:http';
import request from 'supertest';
import { routeTable } from '@/server/createApp';
import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import { closeLater } from '@/tests/helpers/server/closing';
import { createDice } from '@/tests/helpers/http/dice';
import { LEAK } from '@/tests/helpers/http/expectRefusal';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const SEED = 20_260_301;
const ROUNDS = 400;

const { app, deps } = buildApp({ loginFailures: { perAccount: 50, perIp: 1e5, global: 1e7 } });
const server = createServer(app).listen(0);
closeLater(() => new Promise((resolve) => server.close(resolve)));

const dice = createDice(SEED);

const TEXTS = [
  '',
  ' ',
  'a',
  'test@example.com',
  'TEST@EXAMPLE.COM ',
  'Password123!',
  'test-tenant',
  '123456',
  '000 000',
  'data_export',
  'passkey',
  'public-key',
  Buffer.from('{"type":"webauthn.get"}').toString('base64url'),
  'security_settings',
  `ghr_${'A'.repeat(43)}`,
  `chl_${'A'.repeat(43)}`,
  'chl_',
  `ntc_${'A'.repeat(43)}`,
  '2026-02-30',
  '2026-01-01T00:00:00Z',
  'AUTH_LOGOUT',
  '2026-01-01',
  '0000-00-00',
  'csv',
  'TENANT_STAFF_VIEW',
  'owner',
  'json',
  '00000000-0000-0000-0000-000000000000',
  '\0',
  '\ud800',
  '\u202e\u0130\ufdfa',
  "' OR 1=1 --",
  '=HYPERLINK("x")',
  '${7*7}{{7*7}}',
  '../../../etc/passwd',
  'x'.repeat(5000),
  '💣'.repeat(600),
];

function makeValue(depth = 0): unknown {
  const kind = dice.below(depth > 2 ? 6 : 9);
  if (kind < 4) return dice.pick(TEXTS);
  if (kind === 4) return dice.pick([0, -1, 1e308, 0.1, 123456, Number.MAX_SAFE_INTEGER]);
  if (kind === 5) return dice.pick([null, true, false]);
  if (kind === 6) return Array.from({ length: dice.below(4) }, () => makeValue(depth + 1));
  return makeObject(depth + 1);
}

const FIELDS = [
  ...[
    'email',
    'password',
    'tenant',
    'rememberMe',
    'challengeId',
    'refreshToken',
    'code',
    'purpose',
  ],
  ...['version', 'policy', 'days', 'verdict', 'note', 'cursor', 'limit', 'reason', 'minScore'],
  ...['method', 'passkey', 'name', 'response', 'rawId', 'type', 'transports', 'userHandle'],
  ...['clientDataJSON', 'authenticatorData', 'attestationObject', 'signature'],
  ...['action', 'actor', 'subject', 'outcome', 'sessionId', 'correlationId', 'size'],
  ...['description', 'permissions', 'roles', 'updatedAt', 'ticket', 'includeMe', 'search'],
  ...['from', 'to', 'format', 'id', '__proto__', 'constructor', 'toString', 'length', ''],
];

function makeObject(depth = 0): Record<string, unknown> {
  const entries = Array.from({ length: dice.below(8) }, () => [
    dice.pick(FIELDS),
    makeValue(depth),
  ]);
  return Object.fromEntries(entries) as Record<string, unknown>;
}

function makeBody(): string {
  const whole = JSON.stringify(dice.below(8) === 0 ? makeValue() : makeObject());
  // One in six arrives damaged.
  if (dice.below(6) > 0) return whole;
  const at = dice.below(whole.length);
  return whole.slice(0, at) + dice.pick(['', '"', '{', '\\u', ',', '\0']) + whole.slice(at + 1);
}

const asHeader = (text: string) => encodeURIComponent(text.toWellFormed()).slice(0, 2000);
const HEADERS = ['x-correlation-id', 'cookie', 'user-agent', 'idempotency-key', 'x-forwarded-for'];
const TYPES = ['application/json', 'application/json', 'application/json', 'text/plain', 'a/b'];

function fire(tokens: readonly string[]) {
  const route = dice.pick(routeTable(deps));
  const method =
    dice.below(10) === 0 ? dice.pick(['put', 'patch', 'delete'] as const) : route.method;
  const path = route.path.replace(/:\w+/, () => asHeader(dice.pick(TEXTS)));
  const call = request(server)
    [method](path)
    .set('x-stepup-test-bypass', dice.pick(['1', '0']))
    .set(dice.pick(HEADERS), asHeader(dice.pick(TEXTS)));
  if (dice.below(3) > 0) void call.set('authorization', `Bearer ${dice.pick(tokens)}`);
  if (dice.below(3) === 0) void call.query({ [dice.pick(FIELDS)]: asHeader(dice.pick(TEXTS)) });
  if (method === 'get') return { label: `${method} ${path}`, call };
  const body = makeBody();
  const label = `${method} ${path} ${body}`;
  return { label, call: call.set('content-type', dice.pick(TYPES)).send(body) };
}

it(`answers ${ROUNDS} requests of chance with nothing but answers of the contract`, async () => {
  const officer = await seedTestUserAndToken({
    permissions: [...BUILT_IN_PERMISSIONS],
  });
  const member = await seedTestUserAndToken();
  const tokens = [officer.token, officer.token, member.token, 'a.b.c'];
  const seen = new Map<number, number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const { label, call } = fire(tokens);
    const res = await call;
    seen.set(res.status, (seen.get(res.status) ?? 0) + 1);
    const leak = res.status < 400 ? undefined : LEAK.exec(res.text)?.[0];
    // The label identifies the request if one fails.
    expect({ label, broken: res.status >= 500, leak }).toEqual({ label, broken: false });
    expect(res.headers['x-correlation-id']).toBeDefined();
  }
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  expect(Object.keys(Object.prototype)).toEqual([]);
  // If the random requests had all failed in the same way, the test would prove little.
  for (const status of [200, 400, 401, 405, 415]) expect([...seen.keys()]).toContain(status);
});
