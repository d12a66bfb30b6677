import { auditOf } from '@/tests/helpers/database/authRows';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { buildApp } from '@/tests/helpers/server/testApp';
import { startWeb } from '@/tests/helpers/sso/provider';

const PATH = '/api/tenants/sso';
const GOOGLE = 'https://accounts.google.com';
/** What Google publishes, as far as a connection uses it. */
const DOCUMENT = {
  issuer: GOOGLE,
  authorization_endpoint: `${GOOGLE}/o/oauth2/v2/auth`,
  token_endpoint: 'https://oauth2.googleapis.com/token',
  jwks_uri: 'https://www.googleapis.com/oauth2/v3/certs',
  response_types_supported: ['code', 'token', 'id_token'],
  id_token_signing_alg_values_supported: ['RS256'],
  token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
};
const input = (requiredHostedDomain?: string | null) => ({
  ...{ name: 'Google', issuer: GOOGLE, clientId: '1.apps.googleusercontent.com' },
  ...{ clientSecret: 'a-secret-of-google', requiredHostedDomain },
});
const asked: string[] = [];
let app: ReturnType<typeof buildApp>['app'];

/** No test asks Google: a web server on loopback gives its document instead. */
beforeAll(async () => {
  const peer = await startWeb(() => (_req, res) => {
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(DOCUMENT));
  });
  const ssoFetch = (url: string, { method, headers }: { method: string; headers: object }) => {
    asked.push(url);
    const { pathname, search } = new URL(url);
    return fetch(`${peer.origin}${pathname}${search}`, { method, headers: { ...headers } });
  };
  ({ app } = buildApp({}, { ssoFetch }));
});

beforeEach(() => void asked.splice(0));

describe('a connection to Google', () => {
  it('is made for the people of one domain, which it keeps', async () => {
    const officer = await seedOfficer();
    const { status, body } = await as(app, officer).post(PATH, input('example.com'));
    expect([status, body]).toMatchObject([
      201,
      {
        ...{ issuer: GOOGLE, requiredHostedDomain: 'example.com', alg: 'RS256' },
        ...{ tokenAuth: 'basic', endpoints: { token: DOCUMENT.token_endpoint, endSession: null } },
      },
    ]);
    expect(asked).toEqual([`${GOOGLE}/.well-known/openid-configuration`]);
    const at = `${PATH}/${body.id}`;
    const other = await as(app, officer).put(at, { requiredHostedDomain: 'example.org' });
    expect(other.body.requiredHostedDomain).toBe('example.org');
    const [changed] = await auditOf('SSO_CONNECTION_UPDATED', officer.tenantId);
    expect(changed?.details).toMatchObject({
      before: { requiredHostedDomain: 'example.com' },
      after: { requiredHostedDomain: 'example.org' },
    });
    const open = await as(app, officer).put(at, { requiredHostedDomain: null });
    expect([open.status, open.body.issues?.[0]?.path]).toEqual([400, 'requiredHostedDomain']);
    expect((await as(app, officer).get(at)).body.requiredHostedDomain).toBe('example.org');
  });

  it.each([[undefined], [null]])('is not made without a domain: %s', async (domain) => {
    const officer = await seedOfficer();
    const res = await as(app, officer).post(PATH, input(domain));
    expect([res.status, res.body.issues?.[0]?.path]).toEqual([400, 'requiredHostedDomain']);
    expect(asked).toEqual([]);
  });
});
