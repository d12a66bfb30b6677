import request from 'supertest';
import { db } from '@/server/db';
import { knownCountries, knownDevices, riskPolicies } from '@/server/db/schema';
import { eq } from 'drizzle-orm';
import { askForProof } from '@/tests/helpers/stepUp/askForProof';
import { auditOf, liveSessionsOf, versionOf } from '@/tests/helpers/database/authRows';
import { refresh } from '@/tests/helpers/http/authCalls';
import { MAY_ALL, as, choosePolicy, policyWith } from '@/tests/helpers/people/officer';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import type { Traveller } from '@/tests/helpers/people/traveller';

const clock = createMovableClock();
const { app } = buildApp({ accessTokenTtlSec: 3600 }, { clock });

const ABROAD_REASONS = ['NEW_DEVICE', 'NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL'];
/**
 * Creates a person who is signed in at home, at the time of this file's clock, which then moves on.
 */
async function seedMember(): Promise<Traveller> {
  const member = await seedTraveller(app, { permissions: MAY_ALL });
  const { body } = await attemptLogin(app, member, HOME);
  clock.forward(1);
  return { ...member, token: body.accessToken as string };
}

async function decisionsOf(member: Traveller) {
  const res = await as(app, member).get(`/api/security/risk-decisions?staffId=${member.staffId}`);
  return res.body.decisions as Record<string, unknown>[];
}

describe('thresholds and weights', () => {
  it('say from which score on a login needs a proof', async () => {
    const member = await seedMember();
    await choosePolicy(app, member, { stepUpFrom: 86 });
    expect((await attemptLogin(app, member, ABROAD)).status).toBe(200);
    const other = await seedMember();
    await choosePolicy(app, other, { stepUpFrom: 85 });
    const res = await attemptLogin(app, other, ABROAD);
    expect(res.status).toBe(428);
    expect(res.body).toMatchObject({ score: 85, reasons: ABROAD_REASONS });
  });

  it('say from which score on it is a high risk, and the action what that means', async () => {
    const member = await seedMember();
    await choosePolicy(app, member, { highRiskFrom: 85 });
    expect((await attemptLogin(app, member, ABROAD)).body).toStrictEqual({
      error: 'LOGIN_BLOCKED',
      reason: 'anomaly_score',
    });
    const other = await seedMember();
    await choosePolicy(app, other, { highRiskFrom: 85, highRiskAction: 'step_up' });
    expect((await attemptLogin(app, other, ABROAD)).status).toBe(428);
  });

  it('take the place of the signals\u2019 own, and 0 switches one off: seen, told, not counted', async () => {
    const member = await seedMember();
    const weights = { NEW_DEVICE: 90, NEW_COUNTRY: 0, IMPOSSIBLE_TRAVEL: 0 };
    await choosePolicy(app, member, { weights, highRiskAction: 'step_up' });
    const res = await attemptLogin(app, member, ABROAD);
    expect(res.body).toMatchObject({
      score: 100,
      reasons: ['NEW_DEVICE', 'NEW_NETWORK', 'CONCURRENT_COUNTRIES'],
    });
    const [decision] = await decisionsOf(member);
    const signals = decision?.['signals'] as { code: string; weight: number }[];
    expect(signals.map(({ code, weight }) => [code, weight])).toStrictEqual([
      ['NEW_DEVICE', 90],
      ['NEW_COUNTRY', 0],
      ['IMPOSSIBLE_TRAVEL', 0],
      ['NEW_NETWORK', 10],
      ['CONCURRENT_COUNTRIES', 15],
    ]);
  });

  it('hold at a refresh as at a login', async () => {
    const member = await seedMember();
    await choosePolicy(app, member, { highRiskFrom: 85 });
    const session = (await attemptLogin(app, member, HOME)).body as { refreshToken: string };
    const res = await refresh(app, session.refreshToken, ABROAD);
    expect(res.body).toStrictEqual({ error: 'FORCE_LOGOUT', reason: 'anomaly_score' });
  });

  it('are those of the moment: the next login after a change goes by the new ones', async () => {
    const member = await seedMember();
    expect((await attemptLogin(app, member, ABROAD)).status).toBe(428);
    await choosePolicy(app, member, { stepUpFrom: 100, highRiskFrom: 100 });
    expect((await attemptLogin(app, member, ABROAD)).status).toBe(200);
  });
});

describe('a policy that only watches', () => {
  it('lets in what it would have stopped, ends nothing, and says so in the log and the decision', async () => {
    for (const change of [{}, { highRiskFrom: 85 }]) {
      const member = await seedMember();
      await choosePolicy(app, member, { monitor: true, ...change });
      expect((await attemptLogin(app, member, ABROAD)).status).toBe(200);
      expect(await versionOf(member.staffId)).toBe(1);
      expect(await auditOf('SUSPICIOUS_LOGIN_DETECTED', member.tenantId)).toMatchObject([
        { outcome: 'success', details: { score: 85, decision: 'monitored' } },
      ]);
      const decision = 'highRiskFrom' in change ? 'block' : 'step_up';
      expect(await decisionsOf(member)).toMatchObject([
        { score: 85, decision, outcome: 'monitored', at: 'login' },
        { score: 0, decision: 'allow', outcome: 'allowed' },
        { score: 0, decision: 'allow', outcome: 'allowed' },
      ]);
    }
  });

  it('does the same at a refresh', async () => {
    const member = await seedMember();
    await choosePolicy(app, member, { monitor: true, highRiskFrom: 85 });
    const session = (await attemptLogin(app, member, HOME)).body as { refreshToken: string };
    clock.forward(1);
    expect((await refresh(app, session.refreshToken, ABROAD)).status).toBe(200);
    expect(await liveSessionsOf(member.staffId)).toHaveLength(4);
    const [decision] = await decisionsOf(member);
    expect(decision).toMatchObject({ at: 'refresh', decision: 'block', outcome: 'monitored' });
    expect(await auditOf('SUSPICIOUS_LOGIN_DETECTED', member.tenantId)).toMatchObject([
      { details: { at: 'refresh', decision: 'monitored' } },
    ]);
  });

  it('learns nothing from what it would have stopped: whoever came in then is no more at home', async () => {
    const member = await seedMember();
    await choosePolicy(app, member, { monitor: true });
    const known = async () => [
      await db.select().from(knownDevices).where(eq(knownDevices.staffId, member.staffId)),
      await db.select().from(knownCountries).where(eq(knownCountries.staffId, member.staffId)),
    ];
    const before = await known();
    await attemptLogin(app, member, ABROAD);
    expect(await known()).toEqual(before);
    const enforced = { version: 1, policy: policyWith({}) };
    await as(app, member).put('/api/security/policy', enforced);
    expect((await attemptLogin(app, member, ABROAD)).status).toBe(428);
  });
});

describe('a policy that cannot be read', () => {
  it('is as bad as a score that cannot be had: the login goes on, unscored, and says so', async () => {
    const member = await seedMember();
    const { tenantId } = member;
    await db.insert(riskPolicies).values({ tenantId, policy: { weights: 'heavy' } });
    clock.forward(61);
    const res = await attemptLogin(app, member, ABROAD);
    expect(res.status).toBe(200);
    expect(await auditOf('ANOMALY_CHECK_SKIPPED', tenantId)).toMatchObject([
      { details: { at: 'login', cause: 'error' } },
    ]);
    // It does not affect anybody else either.
    expect((await attemptLogin(app, await seedMember(), ABROAD)).status).toBe(428);
  });
});

describe('the windows of a policy', () => {
  const windows = (data_export: number) => ({
    stepUpWindowsSec: { security_settings: 600, data_export, impersonation: 600 },
  });

  async function prove(member: Traveller) {
    await askForProof(app, member.token, 'data_export');
    const proof = { code: codeAt(member.secret, clock.now()), purpose: 'data_export' };
    const res = await request(app)
      .post('/api/security/step-up/verify')
      .set('authorization', `Bearer ${member.token}`)
      .send(proof);
    expect(res.status).toBe(200);
  }
  // After the gate, the request ends with a cheap 400.
  const knock = ({ token }: Traveller, at = app) =>
    request(at)
      .post('/api/compliance/export/bundle')
      .set('authorization', `Bearer ${token}`)
      .send({});

  it('say how old a proof may be, shorter or longer than by default, and the header says it too', async () => {
    for (const seconds of [60, 900]) {
      const member = await seedMember();
      await choosePolicy(app, member, windows(seconds));
      await prove(member);
      clock.forward(seconds - 1);
      expect((await knock(member)).status).toBe(400);
      clock.forward(2);
      const res = await knock(member);
      expect(res.status).toBe(428);
      expect(res.headers['www-authenticate']).toContain(`max_age=${seconds}`);
    }
  });

  it('stay below what the operator has set for all', async () => {
    const strict = buildApp({ accessTokenTtlSec: 3600, stepUpMaxWindowSec: 120 }, { clock }).app;
    const member = await seedMember();
    await choosePolicy(app, member, windows(900));
    expect((await knock(member, strict)).headers['www-authenticate']).toContain('max_age=120');
  });
});

describe('the methods of a policy', () => {
  it('are the ones that are offered and the ones that count: any other code is a wrong one', async () => {
    const member = await seedMember();
    const { codes } = (await as(app, member).post('/api/security/recovery-codes', {})).body as {
      codes: string[];
    };
    await choosePolicy(app, member, { methods: ['recovery_code'] });
    const { body } = await attemptLogin(app, member, ABROAD);
    expect(body).toMatchObject({ methods: ['recovery_code'] });
    const answer = (code: string | undefined) =>
      request(app)
        .post('/api/security/step-up/verify')
        .send({ code, purpose: 'security_settings', challengeId: body.challengeId });
    expect((await answer(codeAt(member.secret, clock.now()))).status).toBe(403);
    expect((await answer(codes[0])).status).toBe(200);
  });

  it('that this release does not know let no other proof pass in their place', async () => {
    const member = await seedMember();
    const { tenantId } = member;
    await db.insert(riskPolicies).values({ tenantId, policy: { methods: ['iris'] } });
    clock.forward(61);
    const asked = await attemptLogin(app, member, ABROAD);
    expect(asked.status).toBe(428);
    expect(asked.body).toMatchObject({ methods: [], reason: 'NO_FACTOR_ENROLLED' });
    const code = codeAt(member.secret, clock.now());
    const proof = { code, purpose: 'security_settings', challengeId: asked.body.challengeId };
    const res = await request(app).post('/api/security/step-up/verify').send(proof);
    expect(res.body.error).toBe('NO_FACTOR');
  });
});
