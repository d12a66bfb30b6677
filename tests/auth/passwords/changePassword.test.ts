import { sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { toAct } from '@/server/http/act';
import { tenantStaff } from '@/server/db/schema';
import { forceLogout } from '@/server/tenants';
import { auditOf } from '@/tests/helpers/database/authRows';
import { login, me, refresh } from '@/tests/helpers/http/authCalls';
import { expectSignedOut } from '@/tests/helpers/http/authOutcomes';
import { NEW_PASSWORD, changePassword, forgot } from '@/tests/helpers/http/passwordCalls';
import { openMailNode } from '@/tests/helpers/mail/mailNode';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import type { Traveller } from '@/tests/helpers/people/traveller';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { answerChallenge } from '@/tests/helpers/stepUp/answerChallenge';

let server: MailServer;
let node: ReturnType<typeof openMailNode>;
let other: ReturnType<typeof openMailNode>;

beforeAll(async () => {
  server = await startMailServer();
  [node, other] = [openMailNode(server), openMailNode(server)];
});

const statusOf = async (who: SeededAuth, password: string, more = {}) =>
  (await login(node.app, { ...who, password, ...more }, HOME)).status;

/** Makes a person a member of another tenant too. */
async function joinAnother(member: SeededAuth) {
  const { tenantId, tenantSlug } = await seedTestUserAndToken();
  const [row] = await db
    .insert(tenantStaff)
    .values({ tenantId, userId: member.userId })
    .returning({ staffId: tenantStaff.id });
  return { tenantId, tenant: tenantSlug, staffId: row?.staffId ?? '' };
}

describe('a change of the password', () => {
  it('makes the new one sign in and the old one not', async () => {
    const member = await seedTestUserAndToken();
    const res = await changePassword(node.app, member);
    expect([res.status, Object.keys(res.body).sort()]).toEqual([
      200,
      ['accessToken', 'expiresIn', 'tokenType'],
    ]);
    expect(await statusOf(member, member.password)).toBe(401);
    expect(await statusOf(member, NEW_PASSWORD)).toBe(200);
  });

  it('ends every other session in every tenant, on every node, and keeps this one', async () => {
    const member = await seedTestUserAndToken();
    const elsewhere = await joinAnother(member);
    const own = { ...member, tenant: member.tenantSlug };
    const second = (await login(node.app, own, HOME)).body;
    const abroad = (await login(node.app, { ...member, tenant: elsewhere.tenant }, HOME)).body;
    const res = await changePassword(node.app, member);
    expect(res.status).toBe(200);
    for (const gone of [second, abroad]) await expectSignedOut(other.app, gone);
    // The access token from before ends; that of the answer, and the refresh token, go on.
    expect((await me(other.app, member.accessToken)).status).toBe(401);
    const answer = await me(other.app, String(res.body.accessToken));
    expect([answer.status, answer.body.sessionId]).toEqual([200, member.sessionId]);
    const next = await refresh(other.app, member.refreshToken);
    expect([next.status, next.body.sessionId]).toEqual([200, member.sessionId]);
    expect((await me(node.app, String(next.body.accessToken))).status).toBe(200);
    expect((await refresh(node.app, String(next.body.refreshToken))).status).toBe(200);
  });

  it('is in the log of each tenant, and no tenant learns an id of another one', async () => {
    const member = await seedTestUserAndToken();
    const elsewhere = await joinAnother(member);
    const { headers } = await changePassword(node.app, member, NEW_PASSWORD, HOME);
    const correlationId = headers['x-correlation-id'];
    for (const { tenantId, staffId } of [member, elsewhere]) {
      const [event] = await auditOf('PASSWORD_CHANGED', tenantId);
      expect(event).toMatchObject({
        ...{ actor: staffId, subject: `staff:${staffId}`, correlationId },
        ...{ outcome: 'success', details: { with: 'current_password' } },
      });
      const [ended] = await auditOf('SESSION_INVALIDATED', tenantId);
      expect(ended).toMatchObject({ actor: staffId, details: { reason: 'manual' } });
      const theirs = JSON.stringify([event, ended]);
      const foreign = tenantId === member.tenantId ? elsewhere : member;
      for (const id of [foreign.tenantId, foreign.staffId]) expect(theirs).not.toContain(id);
    }
    const [abroad] = await auditOf('PASSWORD_CHANGED', elsewhere.tenantId);
    expect(abroad?.sessionId).toBeNull();
  });

  it('tells nothing to a tenant that the person has left', async () => {
    const member = await seedTestUserAndToken();
    const left = await joinAnother(member);
    await db.execute(
      sql`UPDATE tenant_staff SET status = 'removed', removed_at = now() WHERE id = ${left.staffId}`,
    );
    expect((await changePassword(node.app, member)).status).toBe(200);
    expect(await auditOf('PASSWORD_CHANGED', left.tenantId)).toEqual([]);
  });

  it('is told by mail, and the button of the mail makes the new password stop working', async () => {
    const member = await seedTestUserAndToken();
    await changePassword(node.app, member);
    const mail = await server.mailTo(member.email);
    expect(mail.headers.get('subject')).toMatch(/^Your password was changed: /);
    const path = /https:\/\/id\.example(\/\S+)/.exec(mail.text)?.[1] ?? '';
    expect((await request(node.app).post(path)).status).toBe(200);
    expect(await statusOf(member, NEW_PASSWORD)).toBe(401);
  });

  it('ends a login that has checked the old password, or waits for a proof', async () => {
    const member = await seedTraveller(node.app);
    const { challengeId } = (await attemptLogin(node.app, member, ABROAD)).body;
    expect((await answerChallenge(node, member.secret, { challengeId })).status).toBe(200);
    const bypass = { 'x-stepup-test-bypass': '1' };
    expect((await changePassword(node.app, member, NEW_PASSWORD, bypass)).status).toBe(200);
    const done = await request(node.app).post('/api/auth/login/complete').send({ challengeId });
    expect(done.status).toBe(404);
  });
});

/** Answers the challenge of a 428 in the session that it was for. */
const prove = (member: Traveller, asked: request.Response) =>
  request(node.app)
    .post('/api/security/step-up/verify')
    .set('authorization', `Bearer ${member.accessToken}`)
    .send({
      code: codeAt(member.secret, node.clock.now()),
      purpose: 'security_settings',
      challengeId: asked.body.challengeId,
    });

describe('a change is refused', () => {
  it('without a session', async () => {
    const res = await request(node.app)
      .post('/api/auth/password')
      .send({ currentPassword: 'x', newPassword: NEW_PASSWORD });
    expect(res.status).toBe(401);
  });

  it('with a wrong current password, and nothing ends', async () => {
    const member = await seedTestUserAndToken();
    const res = await changePassword(node.app, { ...member, password: 'not the password' });
    expect([res.status, res.body.error]).toEqual([403, 'WRONG_PASSWORD']);
    expect(await auditOf('PASSWORD_CHANGE_REFUSED', member.tenantId)).toMatchObject([
      { actor: member.staffId, outcome: 'failure', details: { reason: 'wrong_password' } },
    ]);
    expect((await me(node.app, member.accessToken)).status).toBe(200);
    expect(await statusOf(member, member.password)).toBe(200);
  });

  it('with a new password that the policy does not allow, and every reason is told', async () => {
    const member = await seedTestUserAndToken();
    const res = await changePassword(node.app, member, 'Gatehouse1');
    expect(res.status).toBe(400);
    expect(res.body).toMatchObject({ error: 'PASSWORD_REFUSED', detail: expect.any(String) });
    const reasons = res.body.reasons as { code: string; message: string }[];
    expect(reasons.map(({ code }) => code)).toEqual(['too_short', 'common', 'own_words']);
    const tenant = await changePassword(node.app, member, `${member.tenantSlug}-2026`);
    expect(tenant.body.reasons).toMatchObject([{ code: 'own_words' }]);
    const same = await changePassword(node.app, member, member.password);
    expect(same.body.reasons).toMatchObject([{ code: 'unchanged' }]);
    const long = await changePassword(node.app, member, 'ab '.repeat(342));
    expect(long.body.reasons).toMatchObject([{ code: 'too_long' }]);
    expect((await me(node.app, member.accessToken)).status).toBe(200);
  });

  it('without a proof for exactly this change, if the person has a factor', async () => {
    const member = await seedTraveller(node.app);
    const asked = await changePassword(node.app, member);
    expect([asked.status, asked.body.purpose]).toEqual([428, 'security_settings']);
    expect((await prove(member, asked)).status).toBe(200);
    expect((await changePassword(node.app, member, `${NEW_PASSWORD}!`)).status).toBe(428);
    expect((await changePassword(node.app, member)).status).toBe(200);
    expect(await statusOf(member, NEW_PASSWORD)).toBe(200);
  });

  it('and a refused password does not use up the proof', async () => {
    const member = await seedTraveller(node.app);
    const asked = await changePassword(node.app, member, 'too short');
    expect((await prove(member, asked)).status).toBe(200);
    for (let tries = 0; tries < 2; tries += 1) {
      expect((await changePassword(node.app, member, 'too short')).status).toBe(400);
    }
  });

  it('and the database holds nothing with which the passwords of a request can be guessed', async () => {
    const member = await seedTraveller(node.app);
    await changePassword(node.app, member);
    await changePassword(node.app, member);
    const { rows } = await db.execute<{ digest: string }>(
      sql`SELECT act_digest AS digest FROM step_up_challenges WHERE staff_id = ${member.staffId} AND act IS NOT NULL`,
    );
    // The second request found the challenge of the first: the digest is the same, and needs a key.
    expect(rows).toHaveLength(1);
    const body = { currentPassword: member.password, newPassword: NEW_PASSWORD };
    const act = { method: 'POST', route: '/api/auth/password', params: {}, query: {}, body };
    expect(rows[0]?.digest).not.toBe(toAct(act).digest);
  });

  it('if the session was ended in the meantime', async () => {
    const member = await seedTestUserAndToken();
    const changes = Array.from({ length: 3 }, () => changePassword(node.app, member));
    const ended = forceLogout(node.deps, operatorContext, member.tenantId, member.staffId);
    const results = await Promise.all([...changes, ended.then(() => undefined)]);
    for (const res of results) {
      if (res?.status !== 200) continue;
      expect((await me(node.app, String(res.body.accessToken))).status).toBe(401);
    }
    expect((await refresh(node.app, member.refreshToken)).status).toBe(401);
  });
});

describe('at the same time', () => {
  it('of two changes with the same current password, one wins', async () => {
    const member = await seedTestUserAndToken();
    const wishes = Array.from({ length: 6 }, (_, index) => `${NEW_PASSWORD} ${index}`);
    const results = await Promise.all(
      wishes.map((wish, index) =>
        changePassword(index % 2 === 0 ? node.app : other.app, member, wish),
      ),
    );
    const won = results.flatMap(({ status }, index) => (status === 200 ? [index] : []));
    expect(won).toHaveLength(1);
    for (const res of results) expect([200, 401, 403, 409]).toContain(res.status);
    for (const [index, wish] of wishes.entries()) {
      expect(await statusOf(member, wish)).toBe(index === won[0] ? 200 : 401);
    }
  });

  it('a refresh of this session is not signed out', async () => {
    const member = await seedTestUserAndToken();
    let { accessToken, refreshToken } = member;
    let { password } = member;
    for (let round = 0; round < 6; round += 1) {
      const next = `${NEW_PASSWORD} ${round}`;
      const [changed, refreshed] = await Promise.all([
        changePassword(node.app, { accessToken, password }, next),
        refresh(other.app, refreshToken),
      ]);
      expect([changed.status, refreshed.status]).toEqual([200, 200]);
      const again = await refresh(node.app, String(refreshed.body.refreshToken));
      expect(again.status).toBe(200);
      ({ accessToken, refreshToken } = again.body as typeof member);
      password = next;
    }
  });

  it('in two tenants, two changes of one person do not block each other for good', async () => {
    const member = await seedTestUserAndToken();
    const elsewhere = await joinAnother(member);
    const tenants = [member.tenantSlug, elsewhere.tenant];
    let { password } = member;
    for (let round = 0; round < 4; round += 1) {
      const sessions = await Promise.all(
        tenants.map((tenant) => login(node.app, { ...member, password, tenant }, HOME)),
      );
      const next = `${NEW_PASSWORD} in round ${round}`;
      const results = await Promise.all(
        sessions.map(({ body }) =>
          changePassword(node.app, { accessToken: String(body.accessToken), password }, next),
        ),
      );
      expect(results.map(({ status }) => status).sort()[0]).toBe(200);
      for (const { status } of results) expect(status).toBeLessThan(500);
      password = next;
    }
  });
});

it('a change ends the open links for a new password', async () => {
  const member = await seedTestUserAndToken();
  expect((await forgot(node.app, member.email)).status).toBe(202);
  const { text } = await server.mailTo(member.email);
  const path = /https:\/\/id\.example(\/\S+)/.exec(text)?.[1] ?? '';
  expect((await request(node.app).get(path)).status).toBe(200);
  expect((await changePassword(node.app, member)).status).toBe(200);
  expect((await request(node.app).get(path)).status).toBe(404);
});
