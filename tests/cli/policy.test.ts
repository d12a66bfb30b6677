import { db } from '@/server/db';
import { riskPolicies } from '@/server/db/schema';
import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import { auditOf } from '../helpers/database/authRows';
import { choosePolicy, policyWith, seedOfficer } from '../helpers/people/officer';
import { operate } from '../helpers/server/operatorCommand';
import { pollUntil } from '../helpers/time/pollUntil';
import type { SeededAuth } from '../helpers/seedAuth';
import { externalEnv } from '../helpers/server/serverProcess';
import { buildApp, createMovableClock } from '../helpers/server/testApp';

const env = externalEnv();
/** The clock is stopped: this node must forget because of a message, and not because of age. */
const clock = createMovableClock();
const { app, deps } = buildApp({}, { clock });

const command = (what: string, { tenantSlug }: SeededAuth) =>
  operate(env, ['policy', what, '--tenant', tenantSlug]);

async function succeed(what: string, who: SeededAuth) {
  const { code, stdout, stderr } = await command(what, who);
  expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('policy show', () => {
  it('tells an operator what a tenant has chosen, and what the default is', async () => {
    const officer = await seedOfficer();
    const { tenantId, staffId } = officer;
    const unchanged = { tenantId, version: 0, policy: DEFAULT_POLICY, updatedBy: null };
    expect(await succeed('show', officer)).toMatchObject(unchanged);
    await choosePolicy(app, officer, { stepUpFrom: 30 });
    expect(await succeed('show', officer)).toMatchObject({
      ...{ tenantId, version: 1, updatedBy: staffId },
      policy: policyWith({ stepUpFrom: 30 }),
    });
  });
});

describe('policy reset', () => {
  it('brings a tenant back to the defaults, audited, and every node that serves is told', async () => {
    const officer = await seedOfficer();
    const { tenantId } = officer;
    deps.broadcast.start();
    const down = () => Promise.resolve(deps.broadcast.isDown());
    await pollUntil('the node receives', down, (is) => !is);
    await choosePolicy(app, officer, { stepUpFrom: 30 });
    const read = () => deps.riskPolicies.read(tenantId);
    expect(await read()).toMatchObject({ version: 1 });
    const reset = { tenantId, version: 2, policy: DEFAULT_POLICY, updatedBy: null };
    expect(await succeed('reset', officer)).toMatchObject(reset);
    const known = await pollUntil('the new policy', read, ({ version }) => version === 2);
    expect(known.policy).toStrictEqual(DEFAULT_POLICY);
    expect((await auditOf('RISK_POLICY_CHANGED', tenantId))[1]).toMatchObject({
      ...{
        outcome: 'success',
        actor: expect.stringMatching(/^operator:[^@\s]+@[^@\s]+$/),
        subject: `tenant:${tenantId}`,
      },
      details: { version: 2, before: { stepUpFrom: 30 }, after: DEFAULT_POLICY },
    });
  });

  it('mends a policy that somebody has broken by hand', async () => {
    const officer = await seedOfficer();
    const { tenantId } = officer;
    await db.insert(riskPolicies).values({ tenantId, policy: { weights: 'heavy' } });
    expect(await succeed('reset', officer)).toMatchObject({ version: 2, policy: DEFAULT_POLICY });
  });

  it('that would change nothing fails and records nothing; so does one for no tenant', async () => {
    const officer = await seedOfficer();
    const { code, stdout, stderr } = await command('reset', officer);
    expect({ code, stdout }).toStrictEqual({ code: 1, stdout: '' });
    expect(stderr).toBe(`Tenant '${officer.tenantSlug}' already uses the defaults.\n`);
    expect(await auditOf('RISK_POLICY_CHANGED', officer.tenantId)).toStrictEqual([]);
    const nobody = await operate(env, ['policy', 'reset', '--tenant', 'nobody']);
    expect(nobody.stderr).toBe("There is no tenant 'nobody'.\n");
  });
});
