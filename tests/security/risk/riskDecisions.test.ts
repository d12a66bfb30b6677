import { randomUUID } from 'node:crypto';
import request from 'supertest';
import { db } from '@/server/db';
import { riskDecisions } from '@/server/db/schema';
import { withoutTable } from '@/tests/helpers/database/authRows';
import { refresh } from '@/tests/helpers/http/authCalls';
import { expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { makeDecisions } from '@/tests/helpers/evidence/madeUpDecisions';
import { MAY_ALL, as, seedOfficer } from '@/tests/helpers/people/officer';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

const DECISIONS = '/api/security/risk-decisions';
const clock = createMovableClock();
const { app } = buildApp({ accessTokenTtlSec: 86_400 }, { clock });

interface Decision {
  id: string;
  [field: string]: unknown;
}

async function list(who: { token: string }, query = ''): Promise<Decision[]> {
  const res = await as(app, who).get(`${DECISIONS}${query}`);
  expect(res.status).toBe(200);
  return res.body.decisions as Decision[];
}

/** Moves the clock after each step, so that decisions have an order. */
async function then<T>(step: PromiseLike<T>): Promise<T> {
  const done = await step;
  clock.forward(1);
  return done;
}

const seedMember = () => then(seedTraveller(app, { permissions: MAY_ALL }));

describe('a decision explains itself', () => {
  it('with what each signal saw, what it added, where, when, how long it took, under which policy', async () => {
    const member = await seedMember();
    const id = { 'x-correlation-id': 'asked-abroad' };
    expect((await attemptLogin(app, member, { ...ABROAD, ...id })).status).toBe(428);
    const [decision] = await list(member);
    expect(decision).toEqual({
      id: expect.any(String),
      staffId: member.staffId,
      email: member.email,
      sessionId: null,
      at: 'login',
      occurredAt: clock.now().toISOString(),
      score: 85,
      reasons: ['NEW_DEVICE', 'NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL'],
      signals: [
        { code: 'NEW_DEVICE', weight: 25, saw: { knownDevices: 2 } },
        { code: 'NEW_COUNTRY', weight: 35, saw: { country: 'JP', knownCountries: 1 } },
        {
          code: 'IMPOSSIBLE_TRAVEL',
          weight: 25,
          saw: { from: 'GB', to: 'JP', km: expect.any(Number), minutes: 0 },
        },
        { code: 'NEW_NETWORK', weight: 0, saw: { network: '133.11.0.0/16', knownNetworks: 1 } },
        { code: 'CONCURRENT_COUNTRIES', weight: 0, saw: { here: 'JP', elsewhere: 'GB' } },
      ],
      decision: 'step_up',
      outcome: 'challenged',
      policyVersion: 0,
      degraded: null,
      spentMs: expect.any(Number),
      ip: ABROAD['x-forwarded-for'],
      country: 'JP',
      correlationId: 'asked-abroad',
      verdict: null,
    });
    expect(decision?.['spentMs']).toBeGreaterThan(0);
  });

  it('also where nothing was unusual, at a login and at a refresh, each time', async () => {
    const member = await seedMember();
    const session = (await then(attemptLogin(app, member, HOME))).body as {
      refreshToken: string;
      sessionId: string;
    };
    await then(refresh(app, session.refreshToken, HOME));
    const calm = { score: 0, reasons: [], signals: [], decision: 'allow', outcome: 'allowed' };
    expect(await list(member)).toMatchObject([
      { ...calm, at: 'refresh', sessionId: session.sessionId },
      { ...calm, at: 'login' },
      { ...calm, at: 'login' },
    ]);
  });

  it('by what became of it: challenged, then passed with the proof, on both ways in', async () => {
    for (const way of ['again', 'complete'] as const) {
      const member = await seedMember();
      const { challengeId } = (await then(attemptLogin(app, member, ABROAD))).body as {
        challengeId: string;
      };
      const code = codeAt(member.secret, clock.now());
      const proof = { code, purpose: 'security_settings', challengeId };
      await request(app).post('/api/security/step-up/verify').send(proof).expect(200);
      const passed =
        way === 'again'
          ? await attemptLogin(app, member, ABROAD, { challengeId })
          : await request(app).post('/api/auth/login/complete').set(ABROAD).send({ challengeId });
      expect(passed.status).toBe(200);
      const about = { score: 85, decision: 'step_up' };
      expect(await list(member, '?minScore=1')).toMatchObject([
        { ...about, outcome: 'passed' },
        { ...about, outcome: 'challenged' },
      ]);
    }
  });

  it('where scoring was skipped: degraded, with the cause', async () => {
    const member = await seedMember();
    await withoutTable('known_devices', async () => {
      expect((await then(attemptLogin(app, member, HOME))).status).toBe(200);
    });
    const [decision] = await list(member);
    expect(decision).toMatchObject({
      degraded: 'error',
      score: 0,
      reasons: ['ANOMALY_CHECK_SKIPPED'],
      decision: 'allow',
      outcome: 'allowed',
      policyVersion: null,
    });
  });

  it('is written before the answer goes out that stands in somebody’s way', async () => {
    const member = await seedMember();
    await attemptLogin(app, member, ABROAD);
    const rows = await db.select().from(riskDecisions);
    expect(
      rows.filter(({ staffId, outcome }) => staffId === member.staffId && outcome === 'challenged'),
    ).toHaveLength(1);
  });

  it('breaks nothing where it cannot be written: logins and refreshes go on, and the loss is counted', async () => {
    const member = await seedMember();
    const own = buildApp({}, { clock });
    await withoutTable('risk_decisions', async () => {
      const { status, body } = await attemptLogin(own.app, member, HOME);
      expect(status).toBe(200);
      expect((await refresh(own.app, body.refreshToken, HOME)).status).toBe(200);
      expect((await attemptLogin(own.app, member, ABROAD)).status).toBe(428);
      await own.deps.riskDecisions.flush();
    });
    const metrics = await own.deps.metrics.registry.metrics();
    expect(metrics).toContain('gatehouse_risk_decisions_lost_total 3');
  });

  it('is not lost where the server is told to stop', async () => {
    const member = await seedMember();
    const own = buildApp({}, { clock });
    await attemptLogin(own.app, member, HOME);
    await own.deps.close();
    expect(await list(member)).toHaveLength(2);
  });
});

describe('the list of decisions', () => {
  it('comes in pages that leave nothing out and repeat nothing, also while more are made', async () => {
    const officer = await seedOfficer();
    const made = await makeDecisions(officer, 95, clock.now());
    const seen: string[] = [];
    let cursor = '';
    for (let page = 0; page < 20; page += 1) {
      const res = await as(app, officer).get(`${DECISIONS}?limit=10${cursor}`);
      seen.push(...(res.body.decisions as Decision[]).map(({ id }) => id));
      if (page === 3) await attemptLogin(app, officer, HOME);
      if (res.body.nextCursor === null) break;
      cursor = `&cursor=${String(res.body.nextCursor)}`;
    }
    expect(seen).toStrictEqual([...made].reverse());
  });

  it('has one page more only where there is more', async () => {
    const officer = await seedOfficer();
    await makeDecisions(officer, 20, clock.now());
    const first = await as(app, officer).get(`${DECISIONS}?limit=20`);
    expect(first.body.nextCursor).toBeNull();
    expect(first.body.decisions).toHaveLength(20);
  });

  it.each([
    ['minScore=90', 5],
    ['reason=SPRAY', 47],
    ['reason=NEW_DEVICE&minScore=90', 3],
    ['correlationId=made-up-7', 1],
    ['outcome=challenged', 0],
    ['decision=allow', 95],
    ['degraded=true', 0],
    ['degraded=false', 95],
    ['verdict=none', 95],
    ['verdict=suspicious', 0],
    ['at=refresh', 0],
    [`sessionId=${randomUUID()}`, 0],
    [`staffId=${randomUUID()}`, 0],
  ])('filters by %s', async (query, count) => {
    const officer = await seedOfficer();
    await makeDecisions(officer, 95, clock.now());
    expect(await list(officer, `?limit=200&${query}`)).toHaveLength(count);
  });

  it('filters by time, from an instant on and before another', async () => {
    const officer = await seedOfficer();
    await makeDecisions(officer, 95, clock.now());
    const start = clock.now().getTime() - 95_000;
    const from = new Date(start + 2000).toISOString();
    const to = new Date(start + 4000).toISOString();
    expect(await list(officer, `?limit=200&from=${from}&to=${to}`)).toHaveLength(20);
    const offset = new Date(start + 2000 + 3_600_000).toISOString().replace('Z', '%2B01:00');
    expect(await list(officer, `?limit=200&from=${offset}&to=${to}`)).toHaveLength(20);
  });

  it.each([
    'limit=0',
    'limit=201',
    'limit=1e2',
    'minScore=101',
    'minScore=-1',
    'at=logout',
    'staffId=me',
    'reason=new_device',
    'from=yesterday',
    'from=2026-02-30T00:00:00Z',
    'degraded=1',
    'cursor=AAAA',
    'cursor=',
    `cursor=${Buffer.from('999999999999999/x').toString('base64url')}`,
    `cursor=${Buffer.from(`999999999999999/${randomUUID()}`).toString('base64url')}`,
    'correlationId=%00',
    'scor=1',
    'at=login&at=refresh',
    'staffId[]=x',
  ])('refuses what it cannot mean, %s, with 400', async (query) => {
    const officer = await seedOfficer();
    expectRefusal(await as(app, officer).get(`${DECISIONS}?${query}`), [400]);
  });

  it('is for those with the permission, and shows their own tenant alone', async () => {
    const bystander = await seedTestUserAndToken();
    expectRefusal(await as(app, bystander).get(DECISIONS), [403]);
    expect((await request(app).get(DECISIONS)).status).toBe(401);
    const officer = await seedOfficer();
    const [id] = await makeDecisions(officer, 1, clock.now());
    const stranger = await seedOfficer();
    expect(await list(stranger)).toStrictEqual([]);
    expectRefusal(await as(app, stranger).get(`${DECISIONS}/${String(id)}`), [404]);
    expect((await as(app, officer).get(`${DECISIONS}/${String(id)}`)).body).toMatchObject({ id });
  });
});
