import request from 'supertest';
import { db } from '@/server/db';
import { riskPolicies } from '@/server/db/schema';
import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import { auditOf } from '@/tests/helpers/database/authRows';
import { expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { as, policyWith, seedOfficer } from '@/tests/helpers/people/officer';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';

const POLICY = '/api/security/policy';
const clock = createMovableClock();
const { app } = buildApp({ accessTokenTtlSec: 3600 }, { clock });

describe('the policy of a tenant', () => {
  it('is the default one, version 0, until somebody chooses another', async () => {
    const res = await as(app, await seedOfficer()).get(POLICY);
    expect(res.status).toBe(200);
    expect(res.body).toMatchObject({
      version: 0,
      policy: DEFAULT_POLICY,
      updatedAt: null,
      updatedBy: null,
    });
    const newDevice = { code: 'NEW_DEVICE', defaultWeight: 25, weight: 25 };
    expect(res.body.signals).toContainEqual(newDevice);
  });

  it('is changed whole, under a new version, and shown with who did it', async () => {
    const officer = await seedOfficer();
    const policy = policyWith({ stepUpFrom: 40, weights: { NEW_DEVICE: 45 }, monitor: true });
    const put = await as(app, officer).put(POLICY, { version: 0, policy });
    expect(put.status).toBe(200);
    const shown = { version: 1, policy, updatedBy: officer.staffId };
    expect(put.body).toMatchObject(shown);
    expect(put.body.updatedAt).toBe(clock.now().toISOString());
    const got = await as(app, officer).get(POLICY);
    expect(got.body).toEqual(put.body);
    const newDevice = { code: 'NEW_DEVICE', defaultWeight: 25, weight: 45 };
    expect(got.body.signals).toContainEqual(newDevice);
  });

  it('is audited with what it was and what it is', async () => {
    const officer = await seedOfficer();
    const first = policyWith({ highRiskAction: 'step_up' });
    const second = policyWith({ stepUpFrom: 50 });
    await as(app, officer).put(POLICY, { version: 0, policy: first });
    await as(app, officer).put(POLICY, { version: 1, policy: second });
    const about = {
      outcome: 'success',
      actor: officer.staffId,
      subject: `tenant:${officer.tenantId}`,
    };
    expect(await auditOf('RISK_POLICY_CHANGED', officer.tenantId)).toMatchObject([
      { ...about, details: { version: 1, before: DEFAULT_POLICY, after: first } },
      { ...about, details: { version: 2, before: first, after: second } },
    ]);
  });

  it('is not changed by somebody who has looked at an older version: 409, and nothing is lost', async () => {
    const officer = await seedOfficer();
    const policy = policyWith({ stepUpFrom: 50 });
    await as(app, officer).put(POLICY, { version: 0, policy });
    for (const version of [0, 2]) {
      const res = await as(app, officer).put(POLICY, { version, policy: DEFAULT_POLICY });
      expectRefusal(res, [409]);
      expect(res.body.error).toBe('CONFLICT');
    }
    const { body } = await as(app, officer).get(POLICY);
    expect(body).toMatchObject({ version: 1, policy });
    expect(await auditOf('RISK_POLICY_CHANGED', officer.tenantId)).toHaveLength(1);
  });

  it('is not begun at a version that there never was', async () => {
    const officer = await seedOfficer();
    const res = await as(app, officer).put(POLICY, { version: 3, policy: DEFAULT_POLICY });
    expectRefusal(res, [409]);
    expect((await as(app, officer).get(POLICY)).body.version).toBe(0);
  });

  it('is changed by one of many who try at once, the first time as later', async () => {
    const officer = await seedOfficer();
    for (const version of [0, 1]) {
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, at) =>
          as(app, officer).put(POLICY, { version, policy: policyWith({ stepUpFrom: 40 + at }) }),
        ),
      );
      const statuses = answers.map(({ status }) => status).sort();
      expect(statuses).toStrictEqual([200, ...Array.from({ length: 11 }, () => 409)]);
      expect(await auditOf('RISK_POLICY_CHANGED', officer.tenantId)).toHaveLength(version + 1);
    }
  });

  it('sent without the fields that came later keeps them as they are', async () => {
    const officer = await seedOfficer();
    const { secondFactor, whenSkipped, maxSessions, ...earlier } = policyWith({ stepUpFrom: 50 });
    expect([secondFactor, whenSkipped, maxSessions]).toStrictEqual(['by_risk', 'allow', 100]);
    const chosen = { secondFactor: 'if_enrolled', whenSkipped: 'prove', maxSessions: 7 } as const;
    await as(app, officer).put(POLICY, { version: 0, policy: { ...earlier, ...chosen } });
    const put = await as(app, officer).put(POLICY, { version: 1, policy: earlier });
    expect(put.body).toMatchObject({ version: 2, policy: { ...earlier, ...chosen } });
    const change = { ...earlier, maxSessions: 8 };
    const last = await as(app, officer).put(POLICY, { version: 2, policy: change });
    expect(last.body.policy).toMatchObject({ ...chosen, maxSessions: 8 });
  });

  it("belongs to one tenant: another's is as it was", async () => {
    const [mine, theirs] = [await seedOfficer(), await seedOfficer()];
    await as(app, mine).put(POLICY, { version: 0, policy: policyWith({ stepUpFrom: 50 }) });
    expect((await as(app, theirs).get(POLICY)).body).toMatchObject({ version: 0 });
  });

  it('that somebody has broken by hand is shown as the default and mended by writing over it', async () => {
    const officer = await seedOfficer();
    const { tenantId } = officer;
    await db.insert(riskPolicies).values({ tenantId, policy: { stepUpFrom: 'never' } });
    const { body } = await as(app, officer).get(POLICY);
    expect(body).toMatchObject({ version: 1, policy: DEFAULT_POLICY });
    const put = await as(app, officer).put(POLICY, { version: 1, policy: body.policy });
    expect(put.status).toBe(200);
  });
});

describe('a policy', () => {
  const incomplete: object = { ...DEFAULT_POLICY, stepUpFrom: undefined };
  it.each<[string, object]>([
    ['a field is missing', incomplete],
    ['a field is unknown', { ...DEFAULT_POLICY, monitr: true }],
    ['the high threshold lies below the other', policyWith({ stepUpFrom: 80, highRiskFrom: 79 })],
    ['a threshold asks everybody always', policyWith({ stepUpFrom: 0 })],
    ['a threshold is never reached', policyWith({ highRiskFrom: 101 })],
    ['a threshold is no whole number', policyWith({ stepUpFrom: 59.5 })],
    ['a signal is unknown', { ...DEFAULT_POLICY, weights: { NEW_SHOES: 10 } }],
    ['a weight is negative', policyWith({ weights: { SPRAY: -1 } })],
    ['a weight is above all', policyWith({ weights: { SPRAY: 101 } })],
    ['a demand is unknown', { ...DEFAULT_POLICY, secondFactor: 'sometimes' }],
    ['a skipped check means something unknown', { ...DEFAULT_POLICY, whenSkipped: 'block' }],
    ['nobody could be signed in', policyWith({ maxSessions: 0 })],
    ['sessions have no bound', policyWith({ maxSessions: 501 })],
    ['no method is allowed', policyWith({ methods: [] })],
    ['a method is twice there', policyWith({ methods: ['totp', 'totp'] })],
    ['a method is unknown', { ...DEFAULT_POLICY, methods: ['sms'] }],
    ['a purpose has no window', { ...DEFAULT_POLICY, stepUpWindowsSec: { data_export: 60 } }],
    [
      'a window is longer than any may be',
      policyWith({ stepUpWindowsSec: { ...DEFAULT_POLICY.stepUpWindowsSec, data_export: 901 } }),
    ],
  ])('is refused with 400 where %s, by the simulation too', async (_case, policy) => {
    const officer = await seedOfficer();
    const put = await as(app, officer).put(POLICY, { version: 0, policy });
    expectRefusal(put, [400]);
    expect(put.body.error).toBe('INVALID_INPUT');
    expectRefusal(await as(app, officer).post(`${POLICY}/simulate`, { policy }), [400]);
    expect((await as(app, officer).get(POLICY)).body.version).toBe(0);
  });
});

describe('who may', () => {
  const bodies = {
    get: undefined,
    put: { version: 0, policy: DEFAULT_POLICY },
    post: { policy: DEFAULT_POLICY },
  };
  const paths = { get: POLICY, put: POLICY, post: `${POLICY}/simulate` };

  const call = (method: 'get' | 'put' | 'post', token?: string) => {
    const asked = request(app)[method](paths[method]).send(bodies[method]);
    return token === undefined ? asked : asked.set('authorization', `Bearer ${token}`);
  };

  it.each(['get', 'post'] as const)(
    '%s: anyone with a token and the permission to view, without a proof; nobody else',
    async (method) => {
      expect((await call(method)).status).toBe(401);
      const bystander = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_EDIT'] });
      expect((await call(method, bystander.token)).status).toBe(403);
      const viewer = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
      await giveFactor(viewer);
      expect((await call(method, viewer.token)).status).toBe(200);
    },
  );

  it.each(['put'] as const)(
    '%s: nobody without a token, the permission, and a proof of this session, in this order',
    async (method) => {
      expect((await call(method)).status).toBe(401);
      const bystander = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
      expect((await call(method, bystander.token)).status).toBe(403);
      const officer = await seedOfficer();
      const asked = await call(method, officer.token);
      expect(asked.status).toBe(428);
      expect(asked.body).toMatchObject({ purpose: 'security_settings' });
      const secret = await giveFactor(officer);
      const proof = { code: codeAt(secret, clock.now()), purpose: 'security_settings' };
      await request(app)
        .post('/api/security/step-up/verify')
        .set('authorization', `Bearer ${officer.token}`)
        .send(proof)
        .expect(200);
      expect((await call(method, officer.token)).status).toBe(200);
    },
  );
});
