import { createMovableClock, buildApp } from '@/tests/helpers/server/testApp';
import { as, choosePolicy, seedOfficer } from '@/tests/helpers/people/officer';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { refresh } from '@/tests/helpers/http/authCalls';
import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import { HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

/** The clock is stopped: this node must learn because of a message, and not because of age. */
const clock = createMovableClock();
const [a, b] = [buildApp({}, { clock }), buildApp({}, { clock })];

const receives = ({ deps }: typeof a) =>
  pollUntil(
    'the nodes receive from each other',
    () => Promise.resolve(deps.broadcast.isDown()),
    (down) => !down,
  );

beforeAll(async () => {
  for (const { deps } of [a, b]) deps.broadcast.start();
  await Promise.all([a, b].map(receives));
});

describe('nodes on one database', () => {
  it('go by a policy that another one has changed', async () => {
    const officer = await seedOfficer();
    const read = () => b.deps.riskPolicies.read(officer.tenantId);
    expect(await read()).toMatchObject({ version: 0 });
    await choosePolicy(a.app, officer, { stepUpFrom: 10 });
    expect(await pollUntil('the new policy', read, ({ version }) => version === 1)).toMatchObject({
      policy: { stepUpFrom: 10 },
    });
  });

  it('know a device that another one has learned', async () => {
    const member = await seedTraveller(a.app);
    const read = () => b.deps.riskFacts.read(member.tenantId, member.staffId);
    const { deviceHashes } = await read();
    const phone = { ...HOME, 'user-agent': 'A telephone' };
    expect((await attemptLogin(a.app, member, phone)).status).toBe(200);
    const after = await pollUntil(
      'the device',
      read,
      (now) => now.deviceHashes.size > deviceHashes.size,
    );
    expect(after.deviceHashes.size).toBe(deviceHashes.size + 2);
  });

  it('keep what they have read: asking again asks no database', async () => {
    const member = await seedTraveller(a.app);
    const first = await a.deps.riskFacts.read(member.tenantId, member.staffId);
    expect(await a.deps.riskFacts.read(member.tenantId, member.staffId)).toBe(first);
    clock.forward(4);
    expect(await a.deps.riskFacts.read(member.tenantId, member.staffId)).toBe(first);
    clock.forward(1);
    expect(await a.deps.riskFacts.read(member.tenantId, member.staffId)).not.toBe(first);
  });

  it('keep a policy for five seconds while they cannot see whether it has changed', async () => {
    const cutOff = buildApp({ databaseUrl: a.deps.config.databaseUrl }, { clock });
    const officer = await seedOfficer();
    const read = () => cutOff.deps.riskPolicies.read(officer.tenantId);
    const kept = await read();
    jest.spyOn(cutOff.deps.changeWatch, 'isCurrent').mockReturnValue(false);
    clock.forward(4);
    expect(await read()).toBe(kept);
    const body = { version: 0, policy: { ...DEFAULT_POLICY, stepUpFrom: 10 } };
    expect((await as(a.app, officer).put('/api/security/policy', body)).status).toBe(200);
    clock.forward(1);
    expect(await read()).toMatchObject({ version: 1 });
  });

  it('forget what is known of somebody whose token was used twice', async () => {
    const member = await seedTraveller(a.app);
    const read = () => b.deps.riskFacts.read(member.tenantId, member.staffId);
    const before = await read();
    await refresh(a.app, member.refreshToken, HOME);
    expect((await refresh(a.app, member.refreshToken, HOME)).body.error).toBe('FORCE_LOGOUT');
    await pollUntil('another reading', read, (now) => now !== before);
  });
});
