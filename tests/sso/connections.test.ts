import { readSsoSettings } from '@/server/config/ssoSettings';
import { openClientSecret } from '@/server/ssoConnections';
import { auditOf } from '@/tests/helpers/database/authRows';
import { db } from '@/server/db';
import { ssoConnections } from '@/server/db/schema';
import { eq } from 'drizzle-orm';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { seedSettings } from '@/tests/helpers/server/seedSettings';
import { buildApp } from '@/tests/helpers/server/testApp';
import { startProvider, startWeb } from '@/tests/helpers/sso/provider';

const PATH = '/api/tenants/sso';
const SECRET = 'first-secret-of-the-client';
/** The discovery document that the lying provider shows, and with which status. */
let shown: { status?: number; type?: string; document: (origin: string) => unknown };
let app: ReturnType<typeof buildApp>['app'];
let provider: Awaited<ReturnType<typeof startWeb>>;
let liar: Awaited<ReturnType<typeof startWeb>>;

const sound = (origin: string) => ({
  issuer: origin,
  authorization_endpoint: `${origin}/authorize`,
  token_endpoint: `${origin}/token`,
  jwks_uri: `${origin}/jwks`,
  response_types_supported: ['code'],
  id_token_signing_alg_values_supported: ['RS256'],
});

beforeAll(async () => {
  provider = await startProvider();
  liar = await startWeb((origin) => (_req, res) => {
    const { status = 200, type = 'application/json', document } = shown;
    const body = document(origin);
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    res.writeHead(status, { 'content-type': type }).end(text);
  });
  const SSO_ALLOWED_HOSTS = `${provider.place},${liar.place}`;
  ({ app } = buildApp(readSsoSettings({ SSO_ALLOWED_HOSTS })));
});

beforeEach(() => {
  shown = { document: sound };
});

const input = (issuer: string, more: object = {}) => ({
  ...{ name: 'Okta', issuer, clientId: 'gatehouse', clientSecret: SECRET, ...more },
});
const rowsOf = (tenantId: string) =>
  db.select().from(ssoConnections).where(eq(ssoConnections.tenantId, tenantId));
const secretsOf = async (tenantId: string) => {
  const [row] = await rowsOf(tenantId);
  if (!row) throw new Error('there is no connection');
  const { keys } = seedSettings();
  const open = (sealed: Buffer | null) => sealed && openClientSecret(keys, row, sealed);
  return { row, now: open(row.secretSealed), before: open(row.previousSealed) };
};

describe('a connection', () => {
  it('to a real provider is made from its discovery document, and never shows its secret', async () => {
    const officer = await seedOfficer();
    const { tenantId } = officer;
    const res = await as(app, officer).post(PATH, input(provider.origin));
    expect(res.status).toBe(201);
    expect(res.body).toMatchObject({
      ...{ name: 'Okta', issuer: provider.origin, clientId: 'gatehouse', alg: 'ES256' },
      ...{ tokenAuth: 'basic', requiredHostedDomain: null, previousSecretUntil: null },
      endpoints: { token: `${provider.origin}/token`, jwks: `${provider.origin}/jwks` },
    });
    expect(await as(app, officer).get(`${PATH}/${res.body.id}`)).toMatchObject({ body: res.body });
    const list = await as(app, officer).get(PATH);
    expect(list.body).toEqual({ connections: [res.body] });
    const audit = await auditOf('SSO_CONNECTION_CREATED', tenantId);
    expect(audit).toMatchObject([
      { subject: `sso-connection:${res.body.id}`, details: { after: { alg: 'ES256' } } },
    ]);
    expect(JSON.stringify([res.body, list.body, audit])).not.toContain(SECRET);
    const { row, now } = await secretsOf(tenantId);
    expect([now, row.secretSealed?.includes(SECRET)]).toEqual([SECRET, false]);
    expect(
      openClientSecret(seedSettings().keys, { ...row, tenantId: row.id }, row.secretSealed!),
    ).toBeNull();
    const again = await as(app, officer).post(PATH, input(provider.origin));
    expect([again.status, again.body.error]).toEqual([409, 'SSO_CONNECTION_EXISTS']);
  });

  it('keeps the secret before for the overlap, and sends no secret to another provider', async () => {
    const officer = await seedOfficer();
    const { tenantId } = officer;
    const { body: made } = await as(app, officer).post(PATH, input(provider.origin));
    const at = `${PATH}/${made.id}`;
    const next = { clientSecret: 'second-secret', overlapSec: 600 };
    const rotated = await as(app, officer).post(`${at}/secret`, next);
    expect(rotated.body.previousSecretUntil).toEqual(expect.any(String));
    await as(app, officer).post(`${at}/secret`, next).expect(200);
    expect(await secretsOf(tenantId)).toMatchObject({ now: 'second-secret', before: SECRET });
    expect(await auditOf('SSO_CONNECTION_SECRET_ROTATED', tenantId)).toHaveLength(1);
    const bare = await as(app, officer).put(at, { issuer: liar.origin });
    expect([bare.status, bare.body.issues?.[0]?.path]).toEqual([400, 'clientSecret']);
    const moved = { issuer: liar.origin, clientSecret: 'third-secret' };
    expect((await as(app, officer).put(at, moved)).body.alg).toBe('RS256');
    expect(await secretsOf(tenantId)).toMatchObject({ now: 'third-secret', before: null });
    const [changed] = await auditOf('SSO_CONNECTION_UPDATED', tenantId);
    expect(changed?.details).toMatchObject({
      ...{ before: { issuer: provider.origin }, after: { issuer: liar.origin } },
      secretReplaced: true,
    });
    await as(app, officer).put(at, { name: 'Okta' }).expect(200);
    expect(await auditOf('SSO_CONNECTION_UPDATED', tenantId)).toHaveLength(1);
    expect((await as(app, officer).del(at)).status).toBe(204);
    expect((await as(app, officer).get(at)).status).toBe(404);
    expect(await rowsOf(tenantId)).toMatchObject([{ secretSealed: null, previousSealed: null }]);
    expect(await auditOf('SSO_CONNECTION_DELETED', tenantId)).toHaveLength(1);
  });
});

describe('an issuer', () => {
  it.each([
    ['https://login.microsoftonline.com/common/v2.0', 'shared_directory'],
    ['https://login.microsoftonline.com/Organizations/v2.0', 'shared_directory'],
    ['https://login.microsoftonline.com/consumers/v2.0', 'shared_directory'],
    ['https://login.microsoftonline.com/{tenantid}/v2.0', 'template'],
    ['https://idp.example/.well-known/openid-configuration', 'discovery_address'],
    ['https://idp.example/?a=b', 'extra_parts'],
    ['https://idp.example/#', 'extra_parts'],
    ['https://user@idp.example', 'credentials'],
    ['https://169.254.169.254', 'address'],
    ['https://idp.example:8443', 'port'],
    ['ftp://idp.example', 'not_a_url'],
    ['okta', 'not_a_url'],
  ])('%s is refused: %s', async (issuer, rule) => {
    const res = await as(app, await seedOfficer()).post(PATH, input(issuer));
    expect(res).toMatchObject({ status: 400, body: { error: 'SSO_ISSUER_REFUSED', rule } });
  });

  it('must be equal byte for byte to the one that the provider names', async () => {
    const officer = await seedOfficer();
    const refusal = async (issuer: string) =>
      (await as(app, officer).post(PATH, input(issuer))).body.rule;
    expect(await refusal(`${liar.origin}/`)).toBe('trailing_slash');
    shown = { document: (origin) => ({ ...sound(origin), issuer: `${origin}/x` }) };
    expect(await refusal(liar.origin)).toBe('mismatch');
  });

  it('of Google needs the domain whose people may sign in, and no other issuer takes one', async () => {
    const officer = await seedOfficer();
    const wrong = [
      input('https://accounts.google.com'),
      input(liar.origin, { requiredHostedDomain: 'example.com' }),
    ];
    for (const body of wrong) {
      const res = await as(app, officer).post(PATH, body);
      expect([res.status, res.body.issues?.[0]?.path]).toEqual([400, 'requiredHostedDomain']);
    }
  });
});

describe('a discovery document', () => {
  const BODY = 'inside-of-the-network';
  it.each<[string, typeof shown, string, string]>([
    ['of another status', { status: 500, document: () => BODY }, 'SSO_DISCOVERY_FAILED', 'status'],
    [
      'that is a redirect',
      { status: 302, document: () => BODY },
      'SSO_DISCOVERY_FAILED',
      'redirect',
    ],
    [
      'of another type',
      { type: 'text/html', document: () => BODY },
      'SSO_DISCOVERY_FAILED',
      'malformed',
    ],
    ['that is no JSON', { document: () => BODY }, 'SSO_DISCOVERY_FAILED', 'malformed'],
    ['that is a list', { document: () => [BODY] }, 'SSO_DISCOVERY_FAILED', 'malformed'],
  ])('%s is refused, and nothing of it is repeated', async (_title, given, error, rule) => {
    shown = given;
    const res = await as(app, await seedOfficer()).post(PATH, input(liar.origin));
    expect(res).toMatchObject({ status: 422, body: { error, rule } });
    expect(res.text).not.toContain(BODY);
  });

  it.each<[string, object, string, string]>([
    ['without a token endpoint', { token_endpoint: undefined }, 'token_endpoint', 'missing'],
    ['with a number as endpoint', { jwks_uri: 7 }, 'jwks_uri', 'missing'],
    ['with NUL in an endpoint', { jwks_uri: 'https://a/\0' }, 'jwks_uri', 'missing'],
    ['with a relative endpoint', { jwks_uri: '/jwks' }, 'jwks_uri', 'not_a_url'],
    [
      'with a private endpoint',
      { token_endpoint: 'https://10.0.0.1/' },
      'token_endpoint',
      'address',
    ],
    ['with another port', { jwks_uri: 'https://idp.example:22/' }, 'jwks_uri', 'port'],
    [
      'with a script',
      { authorization_endpoint: 'javascript:1' },
      'authorization_endpoint',
      'not_https',
    ],
    [
      'with a fragment',
      { authorization_endpoint: 'https://idp.example/#a' },
      'authorization_endpoint',
      'fragment',
    ],
    [
      'that signs with a shared secret or not at all',
      { id_token_signing_alg_values_supported: ['HS256', 'none'] },
      'id_token_signing_alg_values_supported',
      'algorithm',
    ],
    [
      'without the code flow',
      { response_types_supported: ['id_token'] },
      'response_types_supported',
      'response_type',
    ],
    [
      'without a client secret',
      { token_endpoint_auth_methods_supported: ['private_key_jwt'] },
      'token_endpoint_auth_methods_supported',
      'token_auth',
    ],
  ])('%s is refused, and the field is named', async (_title, change, field, rule) => {
    shown = { document: (origin) => ({ ...sound(origin), ...change }) };
    const res = await as(app, await seedOfficer()).post(PATH, input(liar.origin));
    expect(res).toMatchObject({
      status: 422,
      body: { error: 'SSO_PROVIDER_REFUSED', field, rule },
    });
  });
});
