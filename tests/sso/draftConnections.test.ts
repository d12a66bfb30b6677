import { readSsoSettings } from '@/server/config/ssoSettings';
import { openClientSecret } from '@/server/ssoConnections';
import { db } from '@/server/db';
import { ssoConnections } from '@/server/db/schema';
import { eq } from 'drizzle-orm';
import { auditOf } from '@/tests/helpers/database/authRows';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { seedSettings } from '@/tests/helpers/server/seedSettings';
import { buildApp } from '@/tests/helpers/server/testApp';
import { startProvider } from '@/tests/helpers/sso/provider';

const PATH = '/api/tenants/sso';
const CLIENT = { clientId: 'gatehouse', clientSecret: 'first-secret-of-the-client' };
const mail = { smtp: undefined, from: undefined, publicUrl: 'https://example.com/auth' };
const DRAFT = { state: 'draft', clientId: null, secretChangedAt: null };
let app: ReturnType<typeof buildApp>['app'];
let provider: Awaited<ReturnType<typeof startProvider>>;
let settings: ReturnType<typeof readSsoSettings>;

beforeAll(async () => {
  provider = await startProvider();
  settings = readSsoSettings({ SSO_ALLOWED_HOSTS: provider.place });
  ({ app } = buildApp({ ...settings, mail }));
});

type Officer = Awaited<ReturnType<typeof seedOfficer>>;
const draft = (officer: Officer, more: object = {}) =>
  as(app, officer).post(PATH, { name: 'Okta', issuer: provider.origin, ...more });
const rowOf = async (id: string) => {
  const [row] = await db.select().from(ssoConnections).where(eq(ssoConnections.id, id));
  if (!row) throw new Error('there is no connection');
  return row;
};

describe('a draft', () => {
  it('has the redirect URI that a provider asks for before it gives a client id', async () => {
    const officer = await seedOfficer();
    const { status, body } = await draft(officer);
    const redirectUri = `https://example.com/auth/api/auth/sso/callback/${body.id}`;
    expect([status, body]).toMatchObject([201, { ...DRAFT, redirectUri }]);
    expect((await as(app, officer).get(`${PATH}/${body.id}`)).body).toStrictEqual(body);
    expect(await rowOf(body.id)).toMatchObject({ secretSealed: null, secretKeyId: null });
    const [made] = await auditOf('SSO_CONNECTION_CREATED', officer.tenantId);
    expect(made?.details).toMatchObject({ after: { clientId: null, issuer: provider.origin } });
  });

  it('becomes ready with a client id and its secret, and keeps its redirect URI', async () => {
    const officer = await seedOfficer();
    const { body: made } = await draft(officer);
    const res = await as(app, officer).put(`${PATH}/${made.id}`, CLIENT);
    const { redirectUri } = made;
    expect([res.status, res.body]).toMatchObject([
      200,
      { state: 'ready', redirectUri, clientId: 'gatehouse', secretChangedAt: expect.any(String) },
    ]);
    const row = await rowOf(made.id);
    const sealed = row.secretSealed ?? Buffer.alloc(0);
    expect(openClientSecret(seedSettings().keys, row, sealed)).toBe(CLIENT.clientSecret);
    const [changed] = await auditOf('SSO_CONNECTION_UPDATED', officer.tenantId);
    expect(changed?.details).toMatchObject({
      ...{ before: { clientId: null }, after: { clientId: 'gatehouse' }, secretReplaced: true },
    });
    const second = await draft(officer);
    const same = await as(app, officer).put(`${PATH}/${second.body.id}`, CLIENT);
    expect([same.status, same.body.error]).toEqual([409, 'SSO_CONNECTION_EXISTS']);
  });

  it('takes no secret without a client id, and no client id without a secret', async () => {
    const officer = await seedOfficer();
    const { body: made } = await draft(officer);
    const at = `${PATH}/${made.id}`;
    const { clientId, clientSecret } = CLIENT;
    const refused = [
      await draft(officer, { clientId }),
      await draft(officer, { clientSecret }),
      await as(app, officer).put(at, { clientId }),
      await as(app, officer).put(at, { clientSecret }),
      await as(app, officer).put(at, { issuer: provider.origin, clientSecret }),
      await as(app, officer).post(`${at}/secret`, { clientSecret }),
    ];
    for (const { status, body } of refused) {
      expect([status, body.issues?.[0]?.path]).toEqual([400, 'clientSecret']);
    }
    expect((await as(app, officer).put(at, { clientId: null })).status).toBe(400);
    expect((await as(app, officer).get(at)).body).toStrictEqual(made);
    expect(await rowOf(made.id)).toMatchObject({ secretSealed: null });
    expect(await auditOf('SSO_CONNECTION_UPDATED', officer.tenantId)).toEqual([]);
    const renamed = await as(app, officer).put(at, { name: 'Okta Europe' });
    expect(renamed.body).toMatchObject({ ...DRAFT, name: 'Okta Europe' });
    expect((await as(app, officer).del(at)).status).toBe(204);
  });

  it('has no redirect URI in production while the operator has not set PUBLIC_URL', async () => {
    const officer = await seedOfficer();
    const { body: made } = await draft(officer);
    const none = { ...mail, publicUrl: undefined };
    const bare = buildApp({ ...settings, mail: none });
    const local = await as(bare.app, officer).get(`${PATH}/${made.id}`);
    expect(local.body.redirectUri).toMatch(/^http:\/\/localhost:\d+\/api\/auth\/sso\/callback\//);
    const live = buildApp({ ...settings, mail: none, production: true });
    const { redirectUri } = (await as(live.app, officer).get(`${PATH}/${made.id}`)).body;
    expect(redirectUri).toBeNull();
  });
});
