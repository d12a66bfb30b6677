import request from 'supertest';
import { db } from '@/server/db';
import { passkeys, riskPolicies } from '@/server/db/schema';
import { eq } from 'drizzle-orm';
import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import type { RiskPolicy } from '@/server/security/risk/riskPolicy';
import { auditOf } from '@/tests/helpers/database/authRows';
import { expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { MAY_ALL, as, policyWith, seedOfficer } from '@/tests/helpers/people/officer';
import { giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';

const POLICY = '/api/security/policy';
const clock = createMovableClock();
const { app } = buildApp({ accessTokenTtlSec: 3600 }, { clock });

const put = (who: SeededAuth, change: Partial<RiskPolicy>, more: object = {}, at = app) =>
  as(at, who).put(POLICY, { version: 0, policy: policyWith(change), ...more });

const policyOf = async (who: SeededAuth) => (await as(app, who).get(POLICY)).body as object;
const changesOf = ({ tenantId }: SeededAuth) => auditOf('RISK_POLICY_CHANGED', tenantId);
const person = ({ staffId, email }: SeededAuth) => ({ staffId, email });

async function seedOwner(options: { tenantId?: string } = {}): Promise<SeededAuth> {
  const owner = await seedOfficer(options);
  await giveFactor(owner);
  return owner;
}

/** Inserts a passkey's row, which is only counted and never used. */
const giveKey = ({ tenantId, userId, staffId }: SeededAuth) =>
  db.insert(passkeys).values({
    ...{ id: staffId, tenantId, userId, staffId, name: 'A key', credentialId: staffId },
    ...{ publicKey: Buffer.from([1]), transports: [], backedUp: false },
  });

describe('a policy that leaves somebody without a proof', () => {
  it('is refused if it is its author, who is named, and nothing changes', async () => {
    const owner = await seedOwner();
    const res = await put(owner, { methods: ['passkey'] });
    expectRefusal(res, [409]);
    expect(res.body).toMatchObject({ error: 'POLICY_LOCKS_OUT', people: [person(owner)] });
    expect(await policyOf(owner)).toMatchObject({ version: 0, policy: DEFAULT_POLICY });
    expect(await changesOf(owner)).toStrictEqual([]);
  });

  it('is refused if it is anybody who may change the policy; others are not asked about', async () => {
    const owner = await seedOwner();
    const { tenantId } = owner;
    await giveKey(owner);
    const colleague = await seedOwner({ tenantId });
    await giveFactor(await seedTestUserAndToken({ tenantId, permissions: [MAY_ALL[0] ?? ''] }));
    await seedOwner();
    const res = await put(owner, { methods: ['passkey'] });
    expect(res.status).toBe(409);
    expect(res.body.people).toStrictEqual([person(colleague)]);
    await giveKey(colleague);
    expect((await put(owner, { methods: ['passkey'] })).status).toBe(200);
  });

  it('is refused if mail was the only proof of somebody, and it no longer counts', async () => {
    const owner = await seedOwner();
    const newcomer = await seedOfficer({ tenantId: owner.tenantId });
    const res = await put(owner, { methods: ['totp'] });
    expect(res.body.people).toStrictEqual([person(newcomer)]);
    expect((await put(owner, { methods: ['totp', 'email'] })).status).toBe(200);
  });

  it('is made all the same if its author forces it, and the event names the people', async () => {
    const owner = await seedOwner();
    const res = await put(owner, { methods: ['passkey'] }, { force: true });
    expect(res.status).toBe(200);
    expect(await changesOf(owner)).toMatchObject([{ details: { lockedOut: [owner.staffId] } }]);
    const back = { version: 1, policy: DEFAULT_POLICY, force: true };
    expect((await as(app, owner).put(POLICY, back)).status).toBe(200);
    const [, event] = await changesOf(owner);
    expect(event?.details).not.toHaveProperty('lockedOut');
  });

  it('does not slip past a factor that is removed at the same moment', async () => {
    const outcomes = [];
    for (let round = 0; round < 6; round += 1) {
      const owner = await seedOwner();
      const colleague = await seedOwner({ tenantId: owner.tenantId });
      const { body } = await as(app, colleague).get('/api/security/factors');
      const [{ id }] = body.factors as [{ id: string }];
      const [changed, removed] = await Promise.all([
        put(owner, { methods: ['totp'] }),
        request(app)
          .delete(`/api/security/factors/${id}`)
          .set('authorization', `Bearer ${colleague.token}`)
          .set('x-stepup-test-bypass', '1'),
      ]);
      outcomes.push([changed.status, removed.status].join());
    }
    for (const outcome of outcomes) expect(['200,409', '409,204']).toContain(outcome);
  });
});

describe('methods that are not set up here', () => {
  const withoutKeys = buildApp({ webauthn: null }, { clock }).app;

  it('cannot be all that counts, not even by force', async () => {
    const owner = await seedOwner();
    await giveKey(owner);
    for (const more of [{}, { force: true }]) {
      const res = await put(owner, { methods: ['passkey'] }, more, withoutKeys);
      expectRefusal(res, [409]);
      expect(res.body.error).toBe('METHOD_UNAVAILABLE');
    }
    expect((await put(owner, { methods: ['passkey', 'totp'] }, {}, withoutKeys)).status).toBe(200);
  });

  it('cannot be what everybody must enrol', async () => {
    const owner = await seedOwner();
    const always = { secondFactor: 'always' } as const;
    for (const methods of [['passkey', 'email'], ['email'], ['recovery_code']] as const) {
      const policy = { ...always, methods: [...methods] };
      const res = await put(owner, policy, { force: true }, withoutKeys);
      expect([res.status, res.body.error]).toStrictEqual([409, 'METHOD_UNAVAILABLE']);
    }
  });

  it('make no proof of what somebody has enrolled', async () => {
    const owner = await seedOfficer();
    await giveKey(owner);
    const colleague = await seedOwner({ tenantId: owner.tenantId });
    await giveKey(colleague);
    const res = await put(owner, { methods: ['passkey', 'totp'] }, {}, withoutKeys);
    // A passkey that cannot be used here does not count, and until now mail was enough.
    expect(res.body.people).toStrictEqual([person(owner)]);
  });
});

describe('the last factor that counts', () => {
  it('cannot be removed by its owner while the policy counts nothing else of theirs', async () => {
    const owner = await seedOwner();
    await giveKey(owner);
    const { tenantId } = owner;
    await db.insert(riskPolicies).values({ tenantId, policy: { methods: ['passkey'] } });
    const remove = (id: string) =>
      request(app)
        .delete(`/api/security/factors/${id}`)
        .set('authorization', `Bearer ${owner.token}`)
        .set('x-stepup-test-bypass', '1');
    const refused = await remove(owner.staffId);
    expectRefusal(refused, [409]);
    expect(refused.body.error).toBe('POLICY_LOCKS_OUT');
    const rows = await db.select().from(passkeys).where(eq(passkeys.staffId, owner.staffId));
    expect(rows).toHaveLength(1);
    const { body } = await as(app, owner).get('/api/security/factors');
    const [totp] = (body.factors as { id: string; type: string }[]).filter(
      ({ type }) => type === 'totp',
    );
    expect((await remove(totp?.id ?? '')).status).toBe(204);
  });
});
