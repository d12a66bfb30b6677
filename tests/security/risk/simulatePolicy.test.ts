import { randomBytes } from 'node:crypto';
import { db } from '@/server/db';
import { uuidV7 } from '@/server/db/ids';
import { riskDecisions } from '@/server/db/schema';
import type { RiskOutcome, RiskVerdict } from '@/server/db/schema';
import { DEFAULT_POLICY, decideRisk } from '@/server/security/risk/riskPolicy';
import type { RiskPolicy } from '@/server/security/risk/riskPolicy';
import { SIGNALS } from '@/server/security/risk/signals';
import { sumOf, weigh } from '@/server/security/risk/score';
import { MAY_ALL, as, choosePolicy, policyWith, seedOfficer } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

const DAY_SEC = 86_400;
const clock = createMovableClock();
const { app } = buildApp({ accessTokenTtlSec: 100 * DAY_SEC }, { clock });

interface MadeUp {
  seen: string[];
  outcome?: RiskOutcome;
  verdict?: RiskVerdict;
  daysAgo?: number;
  degraded?: string;
  staff?: SeededAuth;
  times?: number;
}

async function decide(owner: SeededAuth, made: readonly MadeUp[]): Promise<void> {
  const now = clock.now().getTime();
  const rows = made.flatMap(({ seen, outcome, verdict, daysAgo = 1, degraded, staff, times = 1 }) =>
    Array.from({ length: times }, () => ({
      id: uuidV7(now, randomBytes(16)),
      tenantId: owner.tenantId,
      staffId: (staff ?? owner).staffId,
      at: 'login' as const,
      occurredAt: new Date(now - daysAgo * DAY_SEC * 1000),
      score: sumOf(weigh(seen).values()),
      reasons: seen,
      seen: seen.join(','),
      signals: [],
      decision: decideRisk(sumOf(weigh(seen).values()), DEFAULT_POLICY),
      outcome: outcome ?? ('allowed' as const),
      policyVersion: 0,
      degraded,
      spentUs: 1,
      correlationId: 'made-up',
      ...(verdict ? { verdict, verdictBy: owner.staffId, verdictAt: new Date(now) } : {}),
    })),
  );
  await db.insert(riskDecisions).values(rows);
}

async function simulate(officer: SeededAuth, policy: RiskPolicy, days?: number) {
  const body = days === undefined ? { policy } : { policy, days };
  const res = await as(app, officer).post('/api/security/policy/simulate', body);
  expect(res.status).toBe(200);
  return res.body as Record<string, unknown>;
}

const DEVICE = ['NEW_DEVICE'];
const PLACE = ['NEW_DEVICE', 'NEW_COUNTRY'];
const ALL_BAD = ['NEW_DEVICE', 'NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL', 'FAILED_ATTEMPTS'];

describe('a simulation', () => {
  it('says how many would have been challenged and blocked, and whom', async () => {
    const officer = await seedOfficer();
    const colleague = await seedTestUserAndToken({ tenantId: officer.tenantId });
    await decide(officer, [
      { seen: [], times: 7 },
      { seen: DEVICE, times: 3 },
      { seen: DEVICE, staff: colleague },
      { seen: PLACE, outcome: 'challenged', times: 2, staff: colleague },
      { seen: ALL_BAD, outcome: 'blocked', staff: colleague },
    ]);
    expect(await simulate(officer, policyWith({ stepUpFrom: 25, highRiskFrom: 60 }))).toEqual({
      from: new Date(clock.now().getTime() - 30 * DAY_SEC * 1000).toISOString(),
      to: clock.now().toISOString(),
      decisions: 14,
      skipped: 0,
      recorded: { allowed: 11, challenged: 2, blocked: 1, monitored: 0 },
      proposed: { allowed: 7, challenged: 4, blocked: 3 },
      verdicts: {
        legitimate: { allowed: 0, challenged: 0, blocked: 0 },
        suspicious: { allowed: 0, challenged: 0, blocked: 0 },
      },
      people: [
        {
          staffId: colleague.staffId,
          email: colleague.email,
          challenged: 1,
          blocked: 3,
          legitimate: 0,
        },
        {
          staffId: officer.staffId,
          email: officer.email,
          challenged: 3,
          blocked: 0,
          legitimate: 0,
        },
      ],
      morePeople: false,
    });
  });

  it('weighs what was seen anew: weights, those that are 0, and what then no longer covers others', async () => {
    const officer = await seedOfficer();
    await decide(officer, [{ seen: ['NEW_COUNTRY', 'NEW_NETWORK'] }]);
    const outcome = async (weights: RiskPolicy['weights'], stepUpFrom = 60) =>
      (await simulate(officer, policyWith({ weights, stepUpFrom })))['proposed'];
    const [allowed, challenged] = [
      { allowed: 1, challenged: 0, blocked: 0 },
      { allowed: 0, challenged: 1, blocked: 0 },
    ];
    expect(await outcome({})).toEqual(allowed);
    expect(await outcome({ NEW_COUNTRY: 60 })).toEqual(challenged);
    expect(await outcome({ NEW_NETWORK: 59 })).toEqual(allowed);
    expect(await outcome({ NEW_NETWORK: 60 })).toEqual(challenged);
    expect(await outcome({ NEW_COUNTRY: 0, NEW_NETWORK: 60 })).toEqual(challenged);
    expect(await outcome({}, 35)).toEqual(challenged);
    expect(await outcome({}, 36)).toEqual(allowed);
  });

  it('asks for a step-up where the policy has no block', async () => {
    const officer = await seedOfficer();
    await decide(officer, [{ seen: ALL_BAD }]);
    expect(await simulate(officer, policyWith({ highRiskAction: 'step_up' }))).toMatchObject({
      proposed: { challenged: 1, blocked: 0 },
    });
  });

  it('shows what it would have done to those that people have given a verdict on', async () => {
    const officer = await seedOfficer();
    await decide(officer, [
      { seen: PLACE, outcome: 'challenged', verdict: 'legitimate', times: 2 },
      { seen: DEVICE, verdict: 'suspicious' },
      { seen: ALL_BAD, outcome: 'blocked', verdict: 'suspicious' },
    ]);
    expect(await simulate(officer, DEFAULT_POLICY)).toMatchObject({
      verdicts: {
        legitimate: { allowed: 0, challenged: 2, blocked: 0 },
        suspicious: { allowed: 1, challenged: 0, blocked: 1 },
      },
      people: [{ legitimate: 2 }],
    });
  });

  it('counts a login and its repetition with a proof once, and monitored ones by name', async () => {
    const officer = await seedOfficer();
    await decide(officer, [
      { seen: PLACE, outcome: 'challenged' },
      { seen: PLACE, outcome: 'passed' },
      { seen: PLACE, outcome: 'monitored' },
    ]);
    expect(await simulate(officer, DEFAULT_POLICY)).toMatchObject({
      decisions: 2,
      recorded: { allowed: 0, challenged: 1, blocked: 0, monitored: 1 },
      proposed: { allowed: 0, challenged: 2, blocked: 0 },
      people: [{ challenged: 2 }],
    });
  });

  it('leaves out what could not be scored, and says how many', async () => {
    const officer = await seedOfficer();
    await decide(officer, [{ seen: [], degraded: 'timeout', times: 3 }, { seen: [] }]);
    expect(await simulate(officer, DEFAULT_POLICY)).toMatchObject({
      decisions: 1,
      skipped: 3,
      proposed: { allowed: 1 },
    });
  });

  it('looks thirty days back, or fewer, and at the own tenant alone', async () => {
    const officer = await seedOfficer();
    await decide(officer, [
      { seen: DEVICE, daysAgo: 30.01 },
      { seen: DEVICE, daysAgo: 29.99 },
      { seen: DEVICE, daysAgo: 0 },
    ]);
    expect(await simulate(officer, DEFAULT_POLICY)).toMatchObject({ decisions: 2 });
    expect(await simulate(officer, DEFAULT_POLICY, 7)).toMatchObject({ decisions: 1 });
    expect(await simulate(await seedOfficer(), DEFAULT_POLICY)).toMatchObject({ decisions: 0 });
    for (const days of [0, 31, 1.5]) {
      const body = { policy: DEFAULT_POLICY, days };
      expect((await as(app, officer).post('/api/security/policy/simulate', body)).status).toBe(400);
    }
  });

  it('changes nothing: no policy, no event, no decision', async () => {
    const officer = await seedOfficer();
    await decide(officer, [{ seen: DEVICE }]);
    const before = await db.select().from(riskDecisions);
    await simulate(officer, policyWith({ stepUpFrom: 1 }));
    expect(await db.select().from(riskDecisions)).toEqual(before);
    const { body } = await as(app, officer).get('/api/security/policy');
    expect(body.version).toBe(0);
  });

  it('under the policy that was in force agrees with what was decided, whatever was seen', async () => {
    const officer = await seedOfficer();
    const codes = SIGNALS.map(({ code }) => code);
    // Every pair of signals, and each signal with all before it.
    const sets = codes.flatMap((code, at) => [
      ...codes.slice(0, at).map((other) => [other, code]),
      codes.slice(0, at + 1),
    ]);
    const outcomes = { allow: 'allowed', step_up: 'challenged', block: 'blocked' } as const;
    const made = sets.map((seen) => ({
      seen,
      outcome: outcomes[decideRisk(sumOf(weigh(seen).values()), DEFAULT_POLICY)],
    }));
    await decide(officer, made);
    const { recorded, proposed } = await simulate(officer, DEFAULT_POLICY);
    expect(recorded).toEqual({ ...(proposed as object), monitored: 0 });
  });

  it('of real logins says what the policy then does to them', async () => {
    const member = await seedTraveller(app, { permissions: MAY_ALL });
    clock.forward(1);
    expect((await attemptLogin(app, member, ABROAD)).status).toBe(428);
    expect((await attemptLogin(app, member, HOME)).status).toBe(200);
    const strict = { stepUpFrom: 50, highRiskFrom: 85 };
    expect(await simulate(member, policyWith(strict))).toMatchObject({
      decisions: 3,
      recorded: { allowed: 2, challenged: 1, blocked: 0 },
      proposed: { allowed: 2, challenged: 0, blocked: 1 },
    });
    await choosePolicy(app, member, strict);
    expect((await attemptLogin(app, member, ABROAD)).status).toBe(403);
  });

  it('names the hundred most concerned, and says that there are more', async () => {
    const officer = await seedOfficer();
    const staff = Array.from({ length: 101 }, () => ({
      ...officer,
      staffId: uuidV7(clock.now().getTime(), randomBytes(16)),
    }));
    await decide(
      officer,
      staff.map((one, at) => ({ seen: PLACE, staff: one, times: at === 100 ? 2 : 1 })),
    );
    const { people, morePeople } = await simulate(officer, DEFAULT_POLICY);
    expect(people).toHaveLength(100);
    const [most] = people as object[];
    expect(most).toMatchObject({ staffId: staff[100]?.staffId, email: null, challenged: 2 });
    expect(morePeople).toBe(true);
  });
});
