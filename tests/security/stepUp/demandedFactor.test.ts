import request from 'supertest';
import { db } from '@/server/db';
import { riskPolicies } from '@/server/db/schema';
import { me, refresh } from '@/tests/helpers/http/authCalls';
import { auditOf, liveSessionsOf, withoutTable } from '@/tests/helpers/database/authRows';
import { MAY_ALL, as, choosePolicy } from '@/tests/helpers/people/officer';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import type { Traveller } from '@/tests/helpers/people/traveller';

const clock = createMovableClock();
const { app, deps } = buildApp({ accessTokenTtlSec: 3600 }, { clock });

/** Creates an officer of the tenant who is signed in at home. */
async function seedMember(factor = true): Promise<Traveller> {
  const member = await seedTraveller(app, { permissions: MAY_ALL, factor });
  const { body } = await attemptLogin(app, member, HOME);
  return { ...member, token: body.accessToken as string };
}

const prove = (member: Traveller, challengeId: unknown) =>
  request(app)
    .post('/api/security/step-up/verify')
    .send({ code: codeAt(member.secret, clock.now()), purpose: 'security_settings', challengeId });

const decisionsOf = async (member: Traveller) => {
  const res = await as(app, member).get(`/api/security/risk-decisions?staffId=${member.staffId}`);
  return res.body.decisions as Record<string, unknown>[];
};

describe('a tenant that demands a factor of those who have one', () => {
  it('asks at a login that nothing speaks against, with the score as it is, and lets in after the proof', async () => {
    const member = await seedMember();
    await choosePolicy(app, member, { secondFactor: 'if_enrolled' });
    const asked = await attemptLogin(app, member, HOME);
    expect(asked.status).toBe(428);
    expect(asked.body).toMatchObject({
      error: 'STEP_UP_REQUIRED',
      purpose: 'security_settings',
      score: 0,
      reasons: ['SECOND_FACTOR_REQUIRED'],
      methods: ['totp'],
    });
    expect(asked.body).not.toHaveProperty('accessToken');
    const { challengeId } = asked.body as { challengeId: string };
    expect((await prove(member, challengeId)).status).toBe(200);
    expect((await attemptLogin(app, member, HOME, { challengeId })).status).toBe(200);
    // The proof counts once.
    expect((await attemptLogin(app, member, HOME, { challengeId })).status).toBe(428);
  });

  it('asks whatever the policy does with scores: one that only watches, or asks late, asks too', async () => {
    const member = await seedMember();
    const late = { stepUpFrom: 100, highRiskFrom: 100, monitor: true };
    await choosePolicy(app, member, { secondFactor: 'if_enrolled', ...late });
    for (const from of [HOME, ABROAD]) {
      const asked = await attemptLogin(app, member, from);
      expect(asked.status).toBe(428);
      expect(asked.body.reasons).toContain('SECOND_FACTOR_REQUIRED');
    }
  });

  it('does not ask those who have none, and does not ask again at a refresh', async () => {
    const [officer, other] = [await seedMember(), await seedMember(false)];
    await choosePolicy(app, other, { secondFactor: 'if_enrolled' });
    expect((await attemptLogin(app, other, HOME)).status).toBe(200);
    await choosePolicy(app, officer, { secondFactor: 'if_enrolled' });
    const { body } = await attemptLogin(app, officer, HOME);
    await prove(officer, body.challengeId);
    const signedIn = await attemptLogin(app, officer, HOME, { challengeId: body.challengeId });
    expect((await refresh(app, signedIn.body.refreshToken, HOME)).status).toBe(200);
  });

  it('leaves sessions alone that began before', async () => {
    const member = await seedMember();
    const { body } = await attemptLogin(app, member, HOME);
    await choosePolicy(app, member, { secondFactor: 'if_enrolled' });
    expect((await me(app, body.accessToken as string)).status).toBe(200);
    expect((await refresh(app, body.refreshToken, HOME)).status).toBe(200);
  });

  it('still blocks what the score blocks', async () => {
    const member = await seedMember();
    await choosePolicy(app, member, { secondFactor: 'if_enrolled', highRiskFrom: 85 });
    expect((await attemptLogin(app, member, ABROAD)).body).toStrictEqual({
      error: 'LOGIN_BLOCKED',
      reason: 'anomaly_score',
    });
  });

  it('raises no suspicion by asking: the events and the decision say that nothing was found', async () => {
    const member = await seedMember();
    await choosePolicy(app, member, { secondFactor: 'if_enrolled' });
    for (const finish of ['login', 'login/complete']) {
      clock.forward(30);
      const { challengeId } = (await attemptLogin(app, member, HOME)).body as {
        challengeId: string;
      };
      expect((await prove(member, challengeId)).status).toBe(200);
      const { email, password } = member;
      const body = finish === 'login' ? { email, password, challengeId } : { challengeId };
      const res = await request(app).post(`/api/auth/${finish}`).set(HOME).send(body);
      expect(res.status).toBe(200);
    }
    expect(await auditOf('SUSPICIOUS_LOGIN_DETECTED', member.tenantId)).toStrictEqual([]);
    const logins = await auditOf('AUTH_LOGIN_SUCCEEDED', member.tenantId);
    expect(logins.slice(-2)).toMatchObject([
      { details: { stepUp: true, reasons: ['SECOND_FACTOR_REQUIRED'] } },
      { details: { stepUp: true, reasons: ['SECOND_FACTOR_REQUIRED'] } },
    ]);
    const decided = (await decisionsOf(member)).slice(0, 4);
    expect(decided.map(({ decision }) => decision)).toStrictEqual(Array(4).fill('allow'));
    expect(decided.map(({ outcome }) => outcome).sort()).toStrictEqual([
      'challenged',
      'challenged',
      'passed',
      'passed',
    ]);
  });

  it('is obeyed also if the check is skipped, and if this node has never read the policy before', async () => {
    const member = await seedMember();
    await choosePolicy(app, member, { secondFactor: 'if_enrolled' });
    const fresh = buildApp({}, { clock });
    await withoutTable('known_countries', async () => {
      for (const node of [app, fresh.app]) {
        const asked = await attemptLogin(node, member, HOME);
        expect(asked.status).toBe(428);
        expect(asked.body).toMatchObject({
          score: 0,
          reasons: ['ANOMALY_CHECK_SKIPPED', 'SECOND_FACTOR_REQUIRED'],
        });
      }
    });
  });
});

describe('a check that was skipped', () => {
  it('lets a login and a refresh through by default, for people with a factor too', async () => {
    const member = await seedMember();
    await withoutTable('known_countries', async () => {
      deps.riskFacts.forgetAll();
      const res = await attemptLogin(app, member, ABROAD);
      expect(res.status).toBe(200);
      deps.riskFacts.forgetAll();
      expect((await refresh(app, res.body.refreshToken, ABROAD)).status).toBe(200);
    });
  });

  it('asks people who have a factor for it, if the tenant says so, and lets the others in', async () => {
    const [member, other] = [await seedMember(), await seedMember(false)];
    const { tenantId } = other;
    await choosePolicy(app, member, { whenSkipped: 'prove' });
    await db.insert(riskPolicies).values({ tenantId, policy: { whenSkipped: 'prove' } });
    const { app: node } = buildApp({}, { clock });
    await withoutTable('known_countries', async () => {
      expect((await attemptLogin(node, other, ABROAD)).status).toBe(200);
      const asked = await attemptLogin(node, member, ABROAD);
      expect(asked.status).toBe(428);
      expect(asked.body).toMatchObject({ score: 0, reasons: ['ANOMALY_CHECK_SKIPPED'] });
      const { challengeId } = asked.body as { challengeId: string };
      await prove(member, challengeId);
      expect((await attemptLogin(node, member, ABROAD, { challengeId })).status).toBe(200);
    });
    expect(await auditOf('SUSPICIOUS_LOGIN_DETECTED', member.tenantId)).toStrictEqual([]);
  });

  it('asks at a refresh as well, and hands the rotated token out with the challenge', async () => {
    const member = await seedMember();
    await choosePolicy(app, member, { whenSkipped: 'prove' });
    const session = (await attemptLogin(app, member, HOME)).body as { refreshToken: string };
    const { app: node } = buildApp({}, { clock });
    await withoutTable('known_countries', async () => {
      const asked = await refresh(node, session.refreshToken, HOME);
      expect(asked.status).toBe(428);
      expect(asked.body).toMatchObject({ score: 0, reasons: ['ANOMALY_CHECK_SKIPPED'] });
      await prove(member, asked.body.challengeId);
      expect((await refresh(node, asked.body.refreshToken, HOME)).status).toBe(200);
    });
  });

  it('lets everybody in while user_sessions is gone: that outage breaks no login and no refresh', async () => {
    const member = await seedMember();
    await choosePolicy(app, member, { whenSkipped: 'prove' });
    const session = (await attemptLogin(app, member, HOME)).body as { refreshToken: string };
    for (const noticed of [false, true]) {
      const { app: node, deps: its } = buildApp({}, { clock });
      await withoutTable('user_sessions', async () => {
        if (noticed) await its.schemaGuard.check();
        const res = await attemptLogin(node, member, HOME);
        expect(res.status).toBe(200);
        expect(res.body).toMatchObject({ degraded: true });
        expect((await refresh(node, res.body.refreshToken, HOME)).status).toBe(200);
      });
    }
    expect(session.refreshToken).toBeDefined();
    expect((await liveSessionsOf(member.staffId)).length).toBeGreaterThan(0);
  });

  it('means what the default policy says on a node that could never read the tenant\u2019s', async () => {
    const member = await seedMember();
    await choosePolicy(app, member, { whenSkipped: 'prove', secondFactor: 'if_enrolled' });
    expect((await attemptLogin(app, member, HOME)).status).toBe(428);
    const { app: node } = buildApp({}, { clock });
    await withoutTable('risk_policies', async () => {
      expect((await attemptLogin(node, member, HOME)).status).toBe(200);
      // A node that has read the fact before uses its cached value.
      deps.riskFacts.forgetAll();
      clock.forward(61);
      expect((await attemptLogin(app, member, HOME)).status).toBe(428);
    });
  });
});
