import { createHash, randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import request from 'supertest';
import { createGuard } from '@/guard';
import { readSsoSettings } from '@/server/config/ssoSettings';
import { createLogger } from '@/server/logger';
import { withoutTable } from '@/tests/helpers/database/authRows';
import { listen } from '@/tests/helpers/http/listen';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { makeApiKey, makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { declareDeleted, deletion } from '@/tests/helpers/people/reporter';
import { HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { startWeb } from '@/tests/helpers/sso/provider';
import { buildApp } from '@/tests/helpers/server/testApp';
import { codeAt, wrongCodes } from '@/tests/helpers/stepUp/secondFactor';

const PURPOSE = 'app:delete_project';
const written: string[] = [];
const stream = { write: (line: string) => void written.push(line) };
const logger = createLogger({ logLevel: 'trace' }, stream);
const node = buildApp({}, { logger });
const { app, deps } = node;
/** Everything that no line may hold, by what it is. */
const secrets = new Map<string, string>();
let serviceKey: string;
let apiKey: string;
let member: Awaited<ReturnType<typeof seedTraveller>>;
let token: string;

function keep(what: string, secret: unknown): string {
  if (typeof secret !== 'string' || secret.length < 6) throw new Error(`there is no ${what}`);
  secrets.set(what, secret);
  return secret;
}

beforeAll(async () => {
  await declareDeleted();
  const scopes = ['introspect', 'events:write', 'events:declare'] as const;
  serviceKey = keep('service key', await makeServiceKey(deps, [...scopes]));
  apiKey = keep('API key', (await makeApiKey(app, await seedAdministrator())).key);
  member = await seedTraveller(app);
  const { body } = await attemptLogin(app, member, HOME);
  token = keep('access token', body.accessToken);
  keep('refresh token', body.refreshToken);
  keep('secret of the authenticator', member.secret);
});

const post = (path: string, body: object, key = serviceKey) => withKey(app, key).post(path, body);
const askGateway = (credential: string, query = '', key = serviceKey) =>
  request(app)
    .get(`/api/forward-auth${query}`)
    .set('x-gatehouse-service-key', key)
    .set('authorization', `Bearer ${credential}`);
const report = (event: object, key = serviceKey) =>
  post('/api/audit/events', { events: [event] }, key).set('idempotency-key', randomUUID());

/** A wrong key or token that is nearly right, as after a mistake in a deployment. */
const spoil = (what: string, right: string) =>
  keep(`spoiled ${what}`, `${right.slice(0, -4)}${right.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`);

/**
 * Returns which secrets a text holds. Half of one is as bad, so each end counts; a code is a number
 * of its own.
 */
const foundIn = (text: string) =>
  [...secrets].flatMap(([what, secret]) => {
    const parts =
      secret.length < 20 ? [secret] : [secret.slice(6, secret.length / 2), secret.slice(-16)];
    const holds = (part: string) =>
      /^\d+$/.test(part)
        ? new RegExp(`(?<![\\w.:])${part}(?!\\w)`).test(text)
        : text.includes(part);
    return parts.some(holds) ? [what] : [];
  });

/** Expects lines about that many requests, and no secret in any of them. */
function expectClean(requests: number): void {
  const text = written.splice(0).join('');
  expect(text.split('"msg":"request"').length - 1).toBeGreaterThanOrEqual(requests);
  expect(foundIn(text)).toEqual([]);
  expect(text).not.toMatch(/authorization|bearer|x-gatehouse-service-key/i);
}

beforeEach(() => void written.splice(0));

it('introspections leave no credential in the log, whether they succeed, are refused or fail', async () => {
  const wrongKey = spoil('service key', serviceKey);
  const ask = (credential: string, key = serviceKey) =>
    post('/api/token/introspect', { token: credential }, key);
  for (const credential of [token, apiKey, spoil('API key', apiKey), spoil('token', token)]) {
    await ask(credential).expect(200);
  }
  await ask(token, wrongKey).expect(401);
  await ask(token, token).expect(401);
  await post('/api/token/introspect', { token, address: token }).expect(400);
  const damaged = `{"token":"${token}"`;
  await withKey(app, serviceKey)
    .post('/api/token/introspect', {})
    .type('form')
    .send({ token: [token, apiKey] })
    .expect(400);
  await request(app)
    .post('/api/token/introspect')
    .set('authorization', `Bearer ${serviceKey}`)
    .type('json')
    .send(damaged)
    .expect(400);
  for (const table of ['api_keys', 'tenant_staff']) {
    await withoutTable(table, () => ask(table === 'api_keys' ? apiKey : token).expect(503));
  }
  expectClean(11);
});

it('a gateway leaves neither a credential nor an assertion in the log', async () => {
  const passed = await askGateway(token).expect(200);
  keep('assertion', passed.headers['x-gatehouse-assertion']);
  await askGateway(apiKey).expect(200);
  await askGateway(token, '?permission=app:nothing').expect(403);
  await askGateway(apiKey, `?purpose=${PURPOSE}`).expect(403);
  const asked = await askGateway(token, `?purpose=${PURPOSE}`).expect(428);
  keep('challenge of a gateway', asked.body.challengeId);
  await askGateway(spoil('token of a gateway', token)).expect(401);
  await askGateway(token, `?permission=${token}`).expect(400);
  await askGateway(token, '', spoil('key of a gateway', serviceKey)).expect(401);
  await withoutTable('tenant_staff', () => askGateway(token).expect(503));
  expectClean(9);
});

it('a step-up for a service leaves neither code nor challenge in the log', async () => {
  const act = { name: 'DELETE /projects/:id', digest: createHash('sha256').digest('hex') };
  const ask = () => post('/api/token/step-up', { token, purpose: PURPOSE, act, consume: true });
  const { body } = await ask().expect(428);
  const challengeId = keep('challenge', body.challengeId);
  const now = deps.clock.now();
  const wrong = keep('wrong code', wrongCodes(member.secret, now, 500).at(-1));
  const code = keep('code', codeAt(member.secret, now));
  const verify = (typed: string) =>
    withKey(app, token).post('/api/security/step-up/verify', {
      ...{ code: typed, purpose: PURPOSE, challengeId },
    });
  await verify(wrong).expect(403);
  await withoutTable('user_totp', () => verify(code).expect(503));
  await verify(code).expect(200);
  await ask().expect(200);
  await withoutTable('step_up_challenges', () => ask().expect(503));
  expectClean(6);
});

it('a connection to a provider leaves no client secret in the log, whether it is stored or refused', async () => {
  const PATH = '/api/tenants/sso';
  const web = await startWeb((origin) => (_req, res) => {
    res.writeHead(200, { 'content-type': 'application/json' }).end(
      JSON.stringify({
        ...{ issuer: origin, authorization_endpoint: `${origin}/a`, token_endpoint: `${origin}/t` },
        ...{ jwks_uri: `${origin}/k`, id_token_signing_alg_values_supported: ['ES256'] },
      }),
    );
  });
  const asked = buildApp(readSsoSettings({ SSO_ALLOWED_HOSTS: web.place }), { logger });
  const officer = await seedOfficer();
  keep('access token of the officer', officer.token);
  const { post: send, put } = as(asked.app, officer);
  const body = (issuer: string, what: string) => ({
    ...{ name: 'Okta', issuer, clientId: what },
    clientSecret: keep(what, `${what}-${randomUUID()}`),
  });
  const { body: made } = await send(PATH, body(web.origin, 'client-secret')).expect(201);
  await send(PATH, body('https://127.0.0.1', 'secret-of-a-refused-issuer')).expect(400);
  const gone = 'http://127.0.0.1:9';
  await send(PATH, { ...body(gone, 'secret-of-a-bad-body'), tokenAuth: 'x' }).expect(400);
  const at = `${PATH}/${made.id}`;
  const moved = body('https://127.0.0.1', 'secret-of-a-refused-change');
  await put(at, moved).expect(400);
  await put(at, body(web.origin, 'secret-of-another-client')).expect(200);
  const next = { clientSecret: keep('next-client-secret', `next-${randomUUID()}`) };
  await send(`${at}/secret`, next).expect(200);
  await send(`${at}/secret`, { ...next, overlapSec: -1 }).expect(400);
  await withoutTable('sso_connections', async () => {
    await send(PATH, body(web.origin, 'secret-without-a-table')).expect(503);
    await send(`${at}/secret`, next).expect(503);
  });
  expectClean(9);
});

it('reported events leave neither the key nor their details in the log', async () => {
  const tenant = member.tenantSlug;
  const project = keep('detail', `secret-project-${randomUUID()}`);
  const event = deletion(tenant, { details: { project } });
  await report(event).expect(201);
  await report(deletion(tenant, { details: { project, password: project } })).expect(400);
  await report({ ...event, action: 'app.unheard.of' }).expect(400);
  await report(event, spoil('key of a reporter', serviceKey)).expect(401);
  for (const table of ['event_batches', 'declared_event_types', 'audit_logs']) {
    await withoutTable(table, () => report(event).expect(503));
  }
  expectClean(7);
});

it('a guard leaves no credential in what it reports, prints or causes in the log', async () => {
  const said: unknown[] = [];
  const spies = (['log', 'info', 'warn', 'error', 'debug'] as const).map((name) =>
    jest.spyOn(console, name).mockImplementation((...words) => void said.push(...words)),
  );
  const url = await listen(app);
  const onProblem = (problem: Error) => void said.push(problem);
  const open = (key: string, at = url) => createGuard({ url: at, serviceKey: key, onProblem });
  const need = { permissions: ['app:nothing'] };
  const guards = [
    open(serviceKey),
    open(spoil('key of a guard', serviceKey)),
    open(serviceKey, 'http://127.0.0.1:9'),
  ];
  const statuses: (number | true)[] = [];
  for (const guard of guards) {
    for (const credential of [token, apiKey, spoil('token of a guard', token)]) {
      for (const wanted of [undefined, need]) {
        const decision = await guard.decide(`Bearer ${credential}`, wanted);
        statuses.push(decision.allowed || decision.refusal.status);
        if (!decision.allowed) said.push(decision.refusal);
      }
    }
    await guard.close();
  }
  spies.forEach((spy) => spy.mockRestore());
  expect(new Set(statuses)).toEqual(new Set([true, 401, 403, 503]));
  const texts = said.map((one) =>
    one instanceof Error
      ? `${inspect(one, { depth: 9, showHidden: true })} ${String(one.stack)}`
      : inspect(one, { depth: 9, showHidden: true }),
  );
  // The refused key at least is reported.
  expect(said.some((one) => one instanceof Error)).toBe(true);
  expect(foundIn(texts.join('\n'))).toEqual([]);
  expectClean(3);
});
