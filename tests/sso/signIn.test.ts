import { eq } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { domains, identityLinks, ssoAttempts, tenantStaff, users } from '@/server/db/schema';
import { auditOf } from '@/tests/helpers/database/authRows';
import { me } from '@/tests/helpers/http/authCalls';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { Node } from '@/tests/helpers/server/openNode';
import {
  PUBLIC,
  comeBack,
  complete,
  connect,
  federate,
  openSsoNode,
  signInAt,
  start,
  visit,
} from '@/tests/helpers/sso/ssoBrowser';
import type { Federated } from '@/tests/helpers/sso/ssoBrowser';
import { startProvider } from '@/tests/helpers/sso/provider';

let provider: Awaited<ReturnType<typeof startProvider>>;
let node: Node;
let other: Node;
let home: Federated;
let count = 0;

beforeAll(async () => {
  provider = await startProvider();
  node = openSsoNode([provider.place]);
  other = openSsoNode([provider.place]);
  home = await federate(node.app, provider.origin);
});

const newSub = () => `sub-${(count += 1)}`;
const linksOf = (staffId: string) =>
  db.select().from(identityLinks).where(eq(identityLinks.staffId, staffId));
const reasons = async (tenantId: string) =>
  (await auditOf('SSO_SIGN_IN_FAILED', tenantId)).map(
    ({ details }) => (details as { reason: string }).reason,
  );

/** Creates a member of the tenant whose address is of its proven domain. */
async function seedMember({ officer, domain }: Federated = home) {
  const sub = newSub();
  const email = `${sub}@${domain}`;
  const member = await seedTestUserAndToken({ tenantId: officer.tenantId, email });
  return { ...member, sub, account: { sub, email, email_verified: true } };
}

describe('a first sign-in at a provider', () => {
  it('links the member whose verified address has a domain that the tenant has proven', async () => {
    const member = await seedMember();
    provider.signInAs({ ...member.account, email: member.email.toUpperCase() });
    const { location, res } = await signInAt(node.app, home.connectionId);
    expect(location).toBe(`${PUBLIC}/?sso=done`);
    expect(res.status).toBe(200);
    expect(await me(node.app, res.body.accessToken)).toMatchObject({
      body: { staffId: member.staffId, email: member.email },
    });
    expect(await linksOf(member.staffId)).toMatchObject([
      { issuer: provider.origin, subject: member.sub, how: 'domain', endedAt: null },
    ]);
    const linked = await auditOf('IDENTITY_LINKED', home.officer.tenantId);
    expect(linked).toMatchObject([
      {
        actor: member.staffId,
        subject: `staff:${member.staffId}`,
        details: { before: null, after: { issuer: provider.origin, how: 'domain' } },
      },
    ]);
  });

  it.each<[string, object]>([
    ['false', { email_verified: false }],
    ['absent', { email_verified: undefined }],
    ['the text "true"', { email_verified: 'true' }],
    ['the number 1', { email_verified: 1 }],
  ])('links nobody if email_verified is %s', async (_title, change) => {
    const member = await seedMember();
    provider.signInAs({ ...member.account, ...change });
    const { location, res } = await signInAt(node.app, home.connectionId);
    expect(location).toBe(`${PUBLIC}/?sso=done`);
    expect([res.status, res.body.error]).toEqual([403, 'SSO_REFUSED']);
    expect(await linksOf(member.staffId)).toEqual([]);
    expect((await reasons(home.officer.tenantId)).at(-1)).toBe('email_unverified');
  });

  it('links nobody by an address whose domain is not proven, or not any more', async () => {
    const lost = await federate(node.app, provider.origin);
    const member = await seedMember(lost);
    await db.update(domains).set({ lostAt: new Date() }).where(eq(domains.domain, lost.domain));
    provider.signInAs(member.account);
    expect((await signInAt(node.app, lost.connectionId)).res.status).toBe(403);
    const stranger = await seedTestUserAndToken({ tenantId: lost.officer.tenantId });
    provider.signInAs({ sub: newSub(), email: stranger.email, email_verified: true });
    expect((await signInAt(node.app, lost.connectionId)).res.status).toBe(403);
    expect(await reasons(lost.officer.tenantId)).toEqual(['domain_unproven', 'domain_unproven']);
  });

  it('links nobody if the provider asserts the owner of another tenant', async () => {
    const mine = await federate(node.app, provider.origin);
    const owner = await seedMember();
    provider.signInAs(owner.account);
    const { res } = await signInAt(node.app, mine.connectionId);
    expect(res.status).toBe(403);
    expect(await reasons(mine.officer.tenantId)).toEqual(['domain_unproven']);
    expect(await linksOf(owner.staffId)).toEqual([]);
  });

  it('signs a person of two tenants in to the tenant of the connection alone', async () => {
    const member = await seedMember();
    const { tenantId } = await seedTestUserAndToken();
    await db.insert(tenantStaff).values({ tenantId, userId: member.userId });
    provider.signInAs(member.account);
    const { res } = await signInAt(node.app, home.connectionId);
    expect((await me(node.app, res.body.accessToken)).body.tenant.id).toBe(home.officer.tenantId);
  });

  it('links a second identity of a provider to nobody who has one', async () => {
    const member = await seedMember();
    provider.signInAs(member.account);
    expect((await signInAt(node.app, home.connectionId)).res.status).toBe(200);
    provider.signInAs({ ...member.account, sub: newSub() });
    expect((await signInAt(node.app, home.connectionId)).res.status).toBe(403);
    expect((await reasons(home.officer.tenantId)).at(-1)).toBe('member_has_other_identity');
  });

  it.each(['disabled', 'removed'] as const)('never revives a %s member', async (how) => {
    const member = await seedMember();
    provider.signInAs(member.account);
    expect((await signInAt(node.app, home.connectionId)).res.status).toBe(200);
    const admin = await seedTestUserAndToken({
      tenantId: home.officer.tenantId,
      permissions: ['TENANT_STAFF_VIEW', 'TENANT_STAFF_MANAGE', 'TENANT_ROLES_MANAGE'],
    });
    const at = `/api/tenants/staff/${member.staffId}`;
    const done =
      how === 'disabled'
        ? await as(node.app, admin).post(`${at}/disable`, {})
        : await as(node.app, admin).del(at);
    expect(done.status).toBe(204);
    const { res } = await signInAt(node.app, home.connectionId);
    expect([res.status, res.body.error]).toEqual([403, 'SSO_REFUSED']);
    const [link] = await linksOf(member.staffId);
    expect(link?.endedAt === null).toBe(how === 'disabled');
    const unlinked = (await auditOf('IDENTITY_UNLINKED', home.officer.tenantId)).filter(
      ({ subject }) => subject === `staff:${member.staffId}`,
    );
    expect(unlinked).toHaveLength(how === 'removed' ? 1 : 0);
  });
});

describe('a later sign-in', () => {
  it('goes by the subject, whatever the address says', async () => {
    const [ada, bob] = [await seedMember(), await seedMember()];
    provider.signInAs(ada.account);
    expect((await signInAt(node.app, home.connectionId)).res.status).toBe(200);
    provider.signInAs({ sub: ada.sub, email: bob.email, email_verified: true });
    const { res } = await signInAt(node.app, home.connectionId);
    expect((await me(node.app, res.body.accessToken)).body.staffId).toBe(ada.staffId);
    expect(await linksOf(bob.staffId)).toEqual([]);
    const [user] = await db.select().from(users).where(eq(users.id, ada.userId));
    expect(user?.email).toBe(ada.email);
  });
});

describe('an attempt', () => {
  const attemptOf = async (member: { account: { sub: string } }) => {
    provider.signInAs(member.account);
    const sent = await start(node.app, home.connectionId);
    return { ...sent, back: await visit(sent) };
  };
  const refused = `${PUBLIC}/?sso=refused`;

  it('is for the browser that began it, and another one does not use it up', async () => {
    const [mine, theirs] = [
      await attemptOf(await seedMember()),
      await attemptOf(await seedMember()),
    ];
    expect(await comeBack(node.app, mine.back, theirs.cookie)).toBe(refused);
    expect(await comeBack(node.app, mine.back, '')).toBe(refused);
    expect(await comeBack(node.app, mine.back, `${mine.cookie}; ${theirs.cookie}`)).toBe(refused);
    expect((await reasons(home.officer.tenantId)).slice(-3)).toEqual(
      Array(3).fill('attempt_of_other_browser'),
    );
    expect(await comeBack(node.app, mine.back, mine.cookie)).toBe(`${PUBLIC}/?sso=done`);
  });

  it('is used once, by one of many requests over two nodes, and opens one session', async () => {
    const { back, cookie } = await attemptOf(await seedMember());
    const backs = await Promise.all(
      Array.from({ length: 20 }, (_, n) => comeBack(n % 2 ? node.app : other.app, back, cookie)),
    );
    expect(backs.filter((url) => url === `${PUBLIC}/?sso=done`)).toHaveLength(1);
    const done = await Promise.all(
      Array.from({ length: 50 }, (_, n) => complete(n % 2 ? node.app : other.app, cookie)),
    );
    expect(done.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(done.filter(({ status }) => status === 403)).toHaveLength(49);
  });

  it('of many browsers of one new person links one identity, and signs each of them in', async () => {
    const member = await seedMember();
    const attempts = [];
    for (let n = 0; n < 6; n += 1) attempts.push(await attemptOf(member));
    for (const { back, cookie } of attempts) await comeBack(node.app, back, cookie);
    const done = await Promise.all(
      attempts.map(({ cookie }, n) => complete(n % 2 ? node.app : other.app, cookie)),
    );
    expect(done.map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect(await linksOf(member.staffId)).toHaveLength(1);
  });

  it('opens nothing before the browser has come back, nor without its cookie', async () => {
    const { back, cookie } = await attemptOf(await seedMember());
    expect((await complete(node.app, cookie)).status).toBe(403);
    await comeBack(node.app, back, cookie);
    expect((await request(node.app).post('/api/auth/sso/complete').send({})).status).toBe(403);
    expect((await complete(node.app, cookie)).status).toBe(200);
  });

  it('is not finished by a page of another origin', async () => {
    const { back, cookie } = await attemptOf(await seedMember());
    await comeBack(node.app, back, cookie);
    const evil = await complete(node.app, cookie).set('origin', 'https://evil.example');
    expect([evil.status, evil.body.error]).toEqual([403, 'ORIGIN_REFUSED']);
    expect((await complete(node.app, cookie)).status).toBe(200);
  });

  it('ends after ten minutes of the database', async () => {
    const { back, cookie } = await attemptOf(await seedMember());
    await db.update(ssoAttempts).set({ expiresAt: new Date(Date.now() - 1000) });
    expect(await comeBack(node.app, back, cookie)).toBe(refused);
    expect((await reasons(home.officer.tenantId)).at(-1)).toBe('attempt_expired');
  });

  it('cannot be used at the redirect address of another connection', async () => {
    const own = await federate(node.app, provider.origin);
    const second = await connect(node.app, own.officer, provider.origin, { clientId: 'second' });
    provider.signInAs((await seedMember(own)).account);
    const { cookie, ...sent } = await start(node.app, own.connectionId);
    const moved = (await visit(sent)).replace(own.connectionId, second);
    expect(await comeBack(node.app, moved, cookie)).toBe(refused);
    expect(await reasons(own.officer.tenantId)).toEqual(['attempt_of_other_connection']);
  });

  it('never leads to an address that the request names', async () => {
    const { back, cookie } = await attemptOf(await seedMember());
    const extra = `${back}&redirect_uri=https://evil.example&return_to=//evil.example&next=evil`;
    expect(await comeBack(node.app, extra, cookie)).toBe(`${PUBLIC}/?sso=done`);
    const paths = ['//evil.example', 'x%0d%0alocation:evil', '..%2f..%2fevil'];
    for (const path of paths) {
      const to = await comeBack(node.app, `/api/auth/sso/callback/${encodeURIComponent(path)}`, '');
      expect(to).toBe(refused);
    }
  });

  it.each([
    ['deleted before the browser comes back', 'callback'],
    ['deleted before the page finishes', 'complete'],
  ])('is refused if the connection was %s', async (_title, when) => {
    const own = await federate(node.app, provider.origin);
    const member = await seedMember(own);
    provider.signInAs(member.account);
    const sent = await start(node.app, own.connectionId);
    const back = await visit(sent);
    if (when === 'complete') await comeBack(node.app, back, sent.cookie);
    const gone = await as(node.app, own.officer).del(`/api/tenants/sso/${own.connectionId}`);
    expect(gone.status).toBe(204);
    if (when === 'callback') expect(await comeBack(node.app, back, sent.cookie)).toBe(refused);
    expect((await complete(node.app, sent.cookie)).status).toBe(403);
    expect(await reasons(own.officer.tenantId)).toEqual(['connection_deleted']);
    const res = await request(node.app)
      .post('/api/auth/sso/start')
      .send({ connectionId: own.connectionId });
    expect([res.status, res.body.error]).toEqual([404, 'NOT_FOUND']);
  });
});

describe('the discovery of ways to sign in', () => {
  const discover = (body: object) => request(node.app).post('/api/auth/login/discover').send(body);

  it('goes by the domain alone, and answers alike for people who exist and who do not', async () => {
    const member = await seedMember();
    const ways = { password: true, connections: [{ id: home.connectionId, name: 'Okta' }] };
    expect((await discover({ email: member.email })).body).toEqual(ways);
    expect((await discover({ email: `nobody@${home.domain}` })).body).toEqual(ways);
    expect((await discover({ tenant: home.officer.tenantSlug })).body).toEqual(ways);
    const none = { password: true, connections: [] };
    const stranger = await seedTestUserAndToken({ tenantId: home.officer.tenantId });
    expect((await discover({ email: stranger.email })).body).toEqual(none);
    expect((await discover({ email: 'x@unknown.example' })).body).toEqual(none);
    expect((await discover({ tenant: 'no-such-tenant' })).body).toEqual(none);
    expect((await discover({ email: member.email, tenant: 'x' })).status).toBe(400);
  });
});
