import { randomUUID } from 'node:crypto';
import type { Express } from 'express';
import { Client } from 'pg';
import request from 'supertest';
import { db } from '@/server/db';
import { approvalRequests, emailChanges, invitations, tenantStaff } from '@/server/db/schema';
import { deleteTenant, restoreTenant, suspendTenant } from '@/server/tenants';
import { tagId } from '@/server/taggedId';
import { auditOf, liveSessionsOf, setTenantStatus } from '@/tests/helpers/database/authRows';
import { fromAddress, login, me, refresh } from '@/tests/helpers/http/authCalls';
import { visibleAnswer } from '@/tests/helpers/http/visibleAnswer';
import { queueOne } from '@/tests/helpers/mail/mailRows';
import { newAuthenticator, passkeyCalls } from '@/tests/helpers/passkeys/passkeyCalls';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';
import { answer, begin } from '@/tests/helpers/stepUp/begunLogins';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';

const node = openNode();
const other = openNode();
const NOTICE = { purpose: 'notice', prefix: 'ntc_' } as const;

const operator = { ...operatorContext, actor: 'operator:ann@ops', ticket: 'OPS-7' };
const suspend = (tenantId: string) => suspendTenant(node.deps, operator, { tenantId });
const restore = (tenantId: string) => restoreTenant(node.deps, operator, { tenantId });
const remove = (tenantId: string) => deleteTenant(node.deps, operator, { tenantId });

const complete = (app: Express, challengeId: string) =>
  request(app).post('/api/auth/login/complete').send({ challengeId });

/** A tenant whose members hold one of each kind of credential, and the request that uses each. */
async function everyCredential() {
  const member = await seedTraveller(node.app);
  const { tenantId } = member;
  const session = (await attemptLogin(node.app, member, HOME)).body;
  const stopped = await attemptLogin(node.app, member, ABROAD);
  const code = () => codeAt(member.secret, node.clock.now());
  const begun = (await begin(node, member.email)).body;
  const proven = await seedTraveller(node.app, { tenantId });
  const waiting = (await attemptLogin(node.app, proven, ABROAD)).body;
  const codeOfProven = codeAt(proven.secret, node.clock.now());
  expect((await answer(node, waiting.challengeId, codeOfProven)).status).toBe(200);
  const newcomer = await seedTestUserAndToken({ tenantId });
  const offer = (await passkeyCalls(node.app, newcomer.token).register()).body;
  const passkey = newAuthenticator(node.deps).create(offer);
  const mailId = await queueOne(node.deps, { kind: 'forced_logout' }, member);
  const path = `/api/security/notices/${tagId(node.deps.keys, NOTICE, mailId)}`;
  expect((await request(node.app).get(path)).status).toBe(200);
  const uses: Record<string, (app: Express) => request.Test> = {
    'access token': (app) => me(app, String(session.accessToken)),
    'refresh token': (app) => refresh(app, session.refreshToken),
    password: (app) => login(app, member, HOME),
    'pending challenge': (app) => answer({ ...node, app }, stopped.body.challengeId, code()),
    'start of a proof': (app) =>
      request(app).post('/api/security/step-up/start').send({
        method: 'email',
        purpose: 'security_settings',
        challengeId: stopped.body.challengeId,
      }),
    'verified challenge': (app) => complete(app, waiting.challengeId),
    'begun login': (app) => answer({ ...node, app }, begun.challengeId, code()),
    'passkey registration': (app) => passkeyCalls(app, newcomer.token).finish(passkey),
    'notice, opened': (app) => request(app).get(path),
    'notice, answered': (app) => request(app).post(path),
  };
  return { tenantId, member, session, uses };
}

const REFUSED: Record<string, [status: number, error: string]> = {
  'access token': [401, 'UNAUTHENTICATED'],
  'refresh token': [401, 'INVALID_REFRESH_TOKEN'],
  password: [401, 'INVALID_CREDENTIALS'],
  'pending challenge': [404, 'CHALLENGE_NOT_FOUND'],
  'start of a proof': [404, 'CHALLENGE_NOT_FOUND'],
  'verified challenge': [404, 'CHALLENGE_NOT_FOUND'],
  'begun login': [404, 'CHALLENGE_NOT_FOUND'],
  'passkey registration': [401, 'UNAUTHENTICATED'],
  'notice, opened': [404, 'NOT_FOUND'],
  'notice, answered': [404, 'NOT_FOUND'],
};

/** A person knows their password, and a notice can only end sessions. */
const WORKS_AGAIN = ['password', 'notice, opened', 'notice, answered'];

/** Uses every credential on a node. @returns the answer to each */
async function useAll(app: Express, uses: Record<string, (app: Express) => request.Test>) {
  const answers: typeof REFUSED = {};
  for (const [name, use] of Object.entries(uses)) {
    const res = await use(app);
    answers[name] = [res.status, res.body.error];
  }
  return answers;
}

describe('every credential of a tenant', () => {
  it.each<[string, (tenantId: string) => Promise<unknown>]>([
    [
      'is suspended, before the access of anybody has ended',
      (id) => setTenantStatus(id, 'suspended'),
    ],
    ['was suspended', suspend],
    ['was deleted', remove],
  ])('that %s is refused at the next request, on every node', async (_what, close) => {
    const { tenantId, member, session, uses } = await everyCredential();
    expect((await me(other.app, String(session.accessToken))).status).toBe(200);
    await close(tenantId);
    for (const { app } of [node, other]) {
      expect(await useAll(app, uses)).toStrictEqual(REFUSED);
    }
    expect(await auditOf('STEP_UP_FAILED', tenantId)).toHaveLength(0);
    expect(await auditOf('NOTICE_ANSWERED', tenantId)).toHaveLength(0);
    expect((await auditOf('STEP_UP_VERIFIED', tenantId)).length).toBe(1);
    expect(member.tenantId).toBe(tenantId);
  });

  it('stays ended after the tenant was restored; the password signs in again', async () => {
    const { tenantId, member, uses } = await everyCredential();
    await suspend(tenantId);
    expect(await liveSessionsOf(member.staffId)).toHaveLength(0);
    expect(await restore(tenantId)).toStrictEqual({ changed: true, membersEnded: 0 });
    const stale = (table: object) =>
      Object.fromEntries(Object.entries(table).filter(([name]) => !WORKS_AGAIN.includes(name)));
    for (const { app } of [node, other]) {
      expect(await useAll(app, stale(uses))).toStrictEqual(stale(REFUSED));
    }
    expect((await uses['password']?.(other.app))?.status).toBe(200);
    expect((await uses['notice, opened']?.(node.app))?.status).toBe(200);
  });

  it('stays ended if the suspension was interrupted: restoring ends what is left first', async () => {
    const { tenantId, session } = await everyCredential();
    await setTenantStatus(tenantId, 'suspended');
    expect(await restore(tenantId)).toStrictEqual({ changed: true, membersEnded: 3 });
    expect((await me(node.app, String(session.accessToken))).status).toBe(401);
    expect((await refresh(other.app, session.refreshToken)).status).toBe(401);
  });
});

describe('a suspended tenant', () => {
  it('leaves one event for the tenant and one for each member, with who and why', async () => {
    const member = await seedTestUserAndToken();
    const { tenantId } = member;
    const second = await seedTestUserAndToken({ tenantId });
    const stranger = await seedTestUserAndToken();
    expect(await suspend(tenantId)).toStrictEqual({ changed: true, membersEnded: 2 });
    const by = { actor: 'operator:ann@ops', outcome: 'success' };
    expect(await auditOf('TENANT_SUSPENDED', tenantId)).toMatchObject([
      {
        ...{ ...by, subject: `tenant:${tenantId}` },
        details: { before: 'active', after: 'suspended', via: 'operator', ticket: 'OPS-7' },
      },
    ]);
    const ended = await auditOf('SESSION_INVALIDATED', tenantId);
    expect(ended.map(({ subject }) => subject).sort()).toStrictEqual(
      [member, second].map(({ staffId }) => `staff:${staffId}`).sort(),
    );
    for (const event of ended) {
      expect(event).toMatchObject({
        ...by,
        details: { reason: 'tenant_suspended', sessionsRevoked: 1, ticket: 'OPS-7' },
      });
    }
    expect(await suspend(tenantId)).toStrictEqual({ changed: false, membersEnded: 0 });
    expect(await auditOf('TENANT_SUSPENDED', tenantId)).toHaveLength(1);
    await restore(tenantId);
    expect(await auditOf('TENANT_RESTORED', tenantId)).toMatchObject([
      { ...by, details: { before: 'suspended', after: 'active', suspendedAt: expect.any(String) } },
    ]);
    expect(await restore(tenantId)).toStrictEqual({ changed: false, membersEnded: 0 });
    expect((await me(node.app, stranger.accessToken)).status).toBe(200);
  });

  it('is suspended once by four commands at once, and the access of each member ends once', async () => {
    const { tenantId } = await seedTestUserAndToken();
    for (let count = 1; count < 60; count += 1) {
      await db.insert(tenantStaff).values({ tenantId, userId: await newUser() });
    }
    const results = await Promise.all(
      [node, other, node, other].map(({ deps }) => suspendTenant(deps, operator, { tenantId })),
    );
    expect(results.filter(({ changed }) => changed)).toHaveLength(1);
    expect(results.reduce((sum, { membersEnded }) => sum + membersEnded, 0)).toBe(60);
    expect(await auditOf('TENANT_SUSPENDED', tenantId)).toHaveLength(1);
    const ended = await auditOf('SESSION_INVALIDATED', tenantId);
    expect(new Set(ended.map(({ subject }) => subject)).size).toBe(60);
    expect(ended).toHaveLength(60);
  });

  it('is missing from the tenants that a person with several may choose', async () => {
    const first = await seedTestUserAndToken();
    const [second, third] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    for (const { tenantId } of [second, third]) {
      await db.insert(tenantStaff).values({ tenantId, userId: first.userId });
    }
    await suspend(second.tenantId);
    const asked = await login(node.app, first);
    expect(asked.status).toBe(409);
    const offered = (asked.body.tenants as { id: string }[]).map(({ id }) => id);
    expect(offered.sort()).toStrictEqual([first.tenantId, third.tenantId].sort());
    expect((await me(other.app, first.accessToken)).status).toBe(200);
    const named = await login(other.app, { ...first, tenant: second.tenantSlug });
    expect([named.status, named.body.error]).toStrictEqual([401, 'INVALID_CREDENTIALS']);
    await suspend(third.tenantId);
    expect((await login(other.app, first)).status).toBe(200);
  });

  it('answers a sign-in as an unknown account does, by the same statements', async () => {
    const member = await seedTestUserAndToken();
    await suspend(member.tenantId);
    // A connection keeps the function that it found when it was opened.
    const query = jest.spyOn(Client.prototype, 'query');
    const watched = openNode();
    const observe = async (email: string) => {
      query.mockClear();
      const from = fromAddress('192.0.2.1');
      const res = await login(watched.app, { email, password: member.password }, from);
      const texts = query.mock.calls.map(([asked]) =>
        String((asked as { text?: string }).text ?? asked),
      );
      return { answer: visibleAnswer(res), texts: texts.sort() };
    };
    await observe(`nobody-${randomUUID()}@example.com`);
    const unknown = await observe(`nobody-${randomUUID()}@example.com`);
    expect(unknown.answer.status).toBe(401);
    expect(unknown.texts.length).toBeGreaterThan(3);
    expect(await observe(member.email)).toStrictEqual(unknown);
  });
});

async function newUser(): Promise<string> {
  return (await seedTestUserAndToken()).userId;
}

describe('a deleted tenant', () => {
  it('cannot be suspended or restored, and keeps its rows and its slug', async () => {
    const member = await seedTestUserAndToken();
    const { tenantId } = member;
    await suspend(tenantId);
    expect(await remove(tenantId)).toStrictEqual({ changed: true, membersEnded: 0 });
    for (const act of [suspend, restore]) {
      await expect(act(tenantId)).rejects.toMatchObject({ code: 'TENANT_DELETED' });
    }
    expect(await remove(tenantId)).toStrictEqual({ changed: false, membersEnded: 0 });
    expect(await auditOf('TENANT_DELETED', tenantId)).toMatchObject([
      { details: { before: 'suspended', after: 'deleted', ticket: 'OPS-7' } },
    ]);
    expect((await login(node.app, member)).status).toBe(401);
    await expect(remove(randomUUID())).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('has no open invitation, approval request or change of address left', async () => {
    const { tenantId, staffId, userId, email } = await seedAdministrator();
    const expiresAt = new Date(Date.now() + 86_400_000);
    const invited = { tenantId, linkId: randomUUID(), email: 'new@example.com', expiresAt };
    await db.insert(invitations).values({ ...invited, delivery: 'link' });
    const requester = { requesterStaffId: staffId, requesterUserId: userId };
    await db
      .insert(approvalRequests)
      .values({ tenantId, kind: 'policy', change: {}, ...requester, expiresAt });
    const change = { fromEmail: email, toEmail: 'other@example.com', expiresAt };
    await db.insert(emailChanges).values({ tenantId, staffId, userId, ...change });
    await remove(tenantId);
    expect(await auditOf('TENANT_DELETED', tenantId)).toMatchObject([
      { details: { invitations: 1, approvalRequests: 1, emailChanges: 1 } },
    ]);
    expect(await auditOf('INVITATION_REVOKED', tenantId)).toMatchObject([
      { details: { reason: 'tenant_deleted' } },
    ]);
    const ended = [
      ...(await db.select({ at: invitations.revokedAt }).from(invitations)),
      ...(await db.select({ at: approvalRequests.expiresAt }).from(approvalRequests)),
      ...(await db.select({ at: emailChanges.endedAt }).from(emailChanges)),
    ];
    const now = Date.now() + 1000;
    expect(ended.map(({ at }) => at !== null && at.getTime() < now)).toStrictEqual([
      true,
      true,
      true,
    ]);
  });
});
