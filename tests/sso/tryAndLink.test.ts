import { and, eq, isNull } from 'drizzle-orm';
import request from 'supertest';
import { runMaintenance } from '@/server/bootstrap/maintenance';
import { db } from '@/server/db';
import { identityLinks, ssoAttempts, userSessions } from '@/server/db/schema';
import { deleteTenant } from '@/server/tenants';
import { auditOf } from '@/tests/helpers/database/authRows';
import { me } from '@/tests/helpers/http/authCalls';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { operatorContext } from '@/tests/helpers/server/openNode';
import type { Node } from '@/tests/helpers/server/openNode';
import {
  PUBLIC,
  comeBack,
  complete,
  cookiesOf,
  federate,
  openSsoNode,
  signInAt,
  visit,
} from '@/tests/helpers/sso/ssoBrowser';
import type { Federated } from '@/tests/helpers/sso/ssoBrowser';
import { startProvider } from '@/tests/helpers/sso/provider';

let provider: Awaited<ReturnType<typeof startProvider>>;
let node: Node;
let home: Federated;

beforeAll(async () => {
  provider = await startProvider();
  node = openSsoNode([provider.place]);
  home = await federate(node.app, provider.origin);
});

const MINE = '/api/auth/me/identities';
const liveLinks = (staffId: string) =>
  db
    .select()
    .from(identityLinks)
    .where(and(eq(identityLinks.staffId, staffId), isNull(identityLinks.endedAt)));

/** Begins as a signed-in person. */
async function begin(who: { token: string }, path: string, body: object = {}) {
  const res = await as(node.app, who).post(path, body);
  if (res.status !== 200) throw new Error(`the start was answered with ${res.status}`);
  const { authorizationUrl, attemptId } = res.body as Record<string, string>;
  return { url: new URL(authorizationUrl ?? ''), attemptId, cookie: cookiesOf(res)['sso'] ?? '' };
}

describe('a try of a connection', () => {
  const tryIt = async (officer = home.officer) => {
    const sent = await begin(officer, `/api/tenants/sso/${home.connectionId}/try`);
    const show = (who: { token: string } = officer) =>
      as(node.app, who).get(`/api/tenants/sso/${home.connectionId}/tries/${sent.attemptId}`);
    return { ...sent, show };
  };

  it('shows the claims to the administrator who made it alone, and signs nobody in', async () => {
    const account = { sub: 'officer', email: home.officer.email, email_verified: true };
    provider.signInAs(account);
    const { show, ...sent } = await tryIt();
    expect((await show()).body).toMatchObject({ state: 'open', claims: null, reason: null });
    const to = await comeBack(node.app, await visit(sent), sent.cookie);
    expect(to).toBe(`${PUBLIC}/?sso=done&kind=try`);
    expect((await show()).body).toMatchObject({
      ...{ state: 'done', reason: null },
      claims: { ...account, iss: provider.origin, aud: 'gatehouse' },
    });
    expect((await complete(node.app, sent.cookie)).status).toBe(403);
    expect(await liveLinks(home.officer.staffId)).toEqual([]);
    const colleague = await seedTestUserAndToken({
      tenantId: home.officer.tenantId,
      permissions: ['SETTINGS_SECURITY_VIEW', 'SETTINGS_SECURITY_EDIT'],
    });
    const other = await federate(node.app, provider.origin);
    expect((await show(colleague)).status).toBe(404);
    expect((await show(other.officer)).status).toBe(404);
  });

  it('shows the precise reason of a refusal', async () => {
    const { show, ...sent } = await tryIt();
    const back = (await visit(sent)).replace(/code=[^&]*/, 'code=wrong');
    const to = await comeBack(node.app, back, sent.cookie);
    expect(to).toBe(`${PUBLIC}/?sso=refused&kind=try`);
    expect((await show()).body).toMatchObject({ state: 'refused', reason: 'code_refused' });
  });
});

describe('an identity', () => {
  const seedMember = () => seedTestUserAndToken({ tenantId: home.officer.tenantId });
  let count = 0;
  const link = async (who: Awaited<ReturnType<typeof seedMember>>, sub = `own-${(count += 1)}`) => {
    provider.signInAs({ sub });
    const sent = await begin(who, `${MINE}/start`, { connectionId: home.connectionId });
    const to = await comeBack(node.app, await visit(sent), sent.cookie);
    const finish = (by: { token: string }) =>
      request(node.app)
        .post(`${MINE}/complete`)
        .set('authorization', `Bearer ${by.token}`)
        .set('cookie', sent.cookie)
        .send({});
    return { sub, to, cookie: sent.cookie, finish };
  };

  it('is linked by the consent of a signed-in person, whatever address it has', async () => {
    const member = await seedMember();
    const { to, finish, cookie, sub } = await link(member);
    expect(to).toBe(`${PUBLIC}/?sso=done&kind=link`);
    expect((await complete(node.app, cookie)).status).toBe(403);
    const done = await finish(member);
    expect(done).toMatchObject({ status: 200, body: { subject: sub, how: 'consent' } });
    expect((await as(node.app, member).get(MINE)).body.identities).toEqual([done.body]);
    expect((await finish(member)).status).toBe(403);
    const { res } = await signInAt(node.app, home.connectionId);
    expect((await me(node.app, res.body.accessToken)).body.staffId).toBe(member.staffId);
  });

  it('is linked to nobody if another session finishes, or the session has ended', async () => {
    const [member, thief] = [await seedMember(), await seedMember()];
    const first = await link(member);
    expect((await first.finish(thief)).body.error).toBe('SSO_REFUSED');
    expect((await first.finish(member)).status).toBe(403);
    const second = await link(member);
    await db
      .update(userSessions)
      .set({ revokedAt: new Date(), revokeReason: 'logout' })
      .where(eq(userSessions.id, member.sessionId));
    expect((await second.finish(member)).status).toBe(401);
    expect([...(await liveLinks(member.staffId)), ...(await liveLinks(thief.staffId))]).toEqual([]);
  });

  it('of one member is never linked to another', async () => {
    const [ada, bob] = [await seedMember(), await seedMember()];
    const { finish, sub } = await link(ada);
    expect((await finish(ada)).status).toBe(200);
    expect((await (await link(bob, sub)).finish(bob)).status).toBe(403);
    expect(await liveLinks(bob.staffId)).toEqual([]);
  });

  it('that its owner unlinks signs them out everywhere, and signs nobody in any more', async () => {
    const member = await seedMember();
    const made = await link(member);
    const { id } = (await made.finish(member)).body as { id: string };
    const { res } = await signInAt(node.app, home.connectionId);
    const stranger = await seedMember();
    expect((await as(node.app, stranger).del(`${MINE}/${id}`)).status).toBe(404);
    expect((await as(node.app, member).del(`${MINE}/${id}`)).status).toBe(204);
    expect((await me(node.app, res.body.accessToken)).status).toBe(401);
    expect((await signInAt(node.app, home.connectionId)).res.status).toBe(403);
    const events = await auditOf('IDENTITY_UNLINKED', home.officer.tenantId);
    expect(events.at(-1)).toMatchObject({
      actor: member.staffId,
      details: { before: { linkId: id, how: 'consent' }, after: null, reason: 'unlinked' },
    });
  });

  it('is unlinked by administrators who hold what the member holds, and by no others', async () => {
    const { tenantId } = home.officer;
    const may = ['TENANT_STAFF_VIEW', 'TENANT_STAFF_MANAGE'];
    const admin = await seedTestUserAndToken({ tenantId, permissions: may });
    const above = await seedTestUserAndToken({
      tenantId,
      permissions: [...may, 'SETTINGS_SECURITY_EDIT'],
    });
    const made = await link(above);
    const { id } = (await made.finish(above)).body as { id: string };
    const at = `/api/tenants/staff/${above.staffId}/identities`;
    expect((await as(node.app, admin).get(at)).body.identities).toMatchObject([{ id }]);
    expect((await as(node.app, admin).del(`${at}/${id}`)).body.error).toBe('NOT_YOURS_TO_MANAGE');
    const peer = await seedTestUserAndToken({
      tenantId,
      permissions: [...may, 'SETTINGS_SECURITY_EDIT'],
    });
    const elsewhere = await seedTestUserAndToken({ permissions: may });
    expect((await as(node.app, elsewhere).get(at)).status).toBe(404);
    expect((await as(node.app, elsewhere).del(`${at}/${id}`)).status).toBe(404);
    expect((await as(node.app, peer).del(`${at}/${id}`)).status).toBe(204);
    expect((await me(node.app, above.token)).status).toBe(401);
  });
});

describe('a connection that is deleted', () => {
  it('ends the sessions that it has opened, and no others, and leaves the links', async () => {
    const own = await federate(node.app, provider.origin);
    const { tenantId } = own.officer;
    const seed = (sub: string) => {
      return seedTestUserAndToken({ tenantId, email: `${sub}@${own.domain}` });
    };
    const [ada, bob] = [await seed('ada'), await seed('bob')];
    provider.signInAs({ sub: 'ada', email: ada.email, email_verified: true });
    const { res } = await signInAt(node.app, own.connectionId);
    expect((await me(node.app, res.body.accessToken)).status).toBe(200);
    const at = `/api/tenants/sso/${own.connectionId}`;
    expect((await as(node.app, own.officer).del(at)).status).toBe(204);
    expect((await me(node.app, res.body.accessToken)).status).toBe(401);
    expect((await me(node.app, bob.token)).status).toBe(200);
    expect(await liveLinks(ada.staffId)).toHaveLength(1);
  });
});

describe('a connection that gets another issuer', () => {
  it('ends the sessions that the one before has opened, and a new name ends none', async () => {
    const second = await startProvider();
    const wide = openSsoNode([provider.place, second.place]);
    const own = await federate(wide.app, provider.origin);
    const email = `eve@${own.domain}`;
    await seedTestUserAndToken({ tenantId: own.officer.tenantId, email });
    provider.signInAs({ sub: 'eve', email, email_verified: true });
    const { res } = await signInAt(wide.app, own.connectionId);
    const change = (body: object) =>
      as(wide.app, own.officer).put(`/api/tenants/sso/${own.connectionId}`, body);
    expect((await change({ name: 'Okta 2' })).status).toBe(200);
    expect((await me(wide.app, res.body.accessToken)).status).toBe(200);
    const moved = { issuer: second.origin, clientSecret: 'its-own-secret' };
    expect((await change(moved)).status).toBe(200);
    expect((await me(wide.app, res.body.accessToken)).status).toBe(401);
    expect((await me(wide.app, own.officer.token)).status).toBe(200);
  });
});

describe('what is over', () => {
  it('leaves the database: attempts after a day, and links with the tenant', async () => {
    const own = await federate(node.app, provider.origin);
    provider.signInAs({ sub: 'last', email: `last@${own.domain}`, email_verified: true });
    const { tenantId } = own.officer;
    const member = await seedTestUserAndToken({ tenantId, email: `last@${own.domain}` });
    expect((await signInAt(node.app, own.connectionId)).res.status).toBe(200);
    await deleteTenant(node.deps, operatorContext, { tenantId });
    expect(await liveLinks(member.staffId)).toEqual([]);
    const attempts = () => db.select().from(ssoAttempts).where(eq(ssoAttempts.tenantId, tenantId));
    expect(await attempts()).toMatchObject([{ claimsSealed: null, outcome: 'done' }]);
    await runMaintenance(node.deps);
    expect(await attempts()).toHaveLength(1);
    await db.update(ssoAttempts).set({ expiresAt: new Date(0) });
    node.clock.advance(86_401);
    await runMaintenance(node.deps);
    expect(await attempts()).toEqual([]);
  });
});
