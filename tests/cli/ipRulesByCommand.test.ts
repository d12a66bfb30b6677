import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { ipRuleSets, ipRules } from '@/server/db/schema';
import { auditOf } from '../helpers/database/authRows';
import { fromAddress } from '../helpers/http/authCalls';
import { seedOfficer } from '../helpers/people/officer';
import type { SeededAuth } from '../helpers/seedAuth';
import { spawnNode } from '../helpers/server/nodeProcess';
import { operate } from '../helpers/server/operatorCommand';
import { externalEnv } from '../helpers/server/serverProcess';

const env = externalEnv();
const OUTSIDE = fromAddress('198.51.100.9');

const command = (what: string, { tenantSlug }: SeededAuth, ...more: string[]) =>
  operate(env, ['ip-rules', what, '--tenant', tenantSlug, ...more]);

async function succeed(what: string, who: SeededAuth, ...more: string[]) {
  const { code, stdout, stderr } = await command(what, who, ...more);
  expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Creates a tenant that lets its people act from one network alone. */
async function seedLimited(): Promise<SeededAuth> {
  const officer = await seedOfficer();
  const { tenantId } = officer;
  await db.insert(ipRuleSets).values({ tenantId });
  await db
    .insert(ipRules)
    .values({ tenantId, action: 'allow', appliesTo: 'people', range: '203.0.113.0/24' });
  return officer;
}

const setOf = ({ tenantId }: SeededAuth) =>
  db.select().from(ipRuleSets).where(eq(ipRuleSets.tenantId, tenantId));
const suspensions = async ({ tenantId }: SeededAuth) => [
  ...(await auditOf('IP_RULES_SUSPENDED', tenantId)),
  ...(await auditOf('IP_RULES_RESUMED', tenantId)),
];

describe('ip-rules', () => {
  it('suspend lets every address in within a second, and resume ends that, while a node runs', async () => {
    const officer = await seedLimited();
    const { url } = await spawnNode({});
    const headers = { ...OUTSIDE, authorization: `Bearer ${officer.token}` };
    const ask = async () => (await fetch(`${url}/api/auth/me`, { headers })).status;
    /** Asks until the answer changes. No request that began a second after the change has the old one. */
    async function changesTo(status: number) {
      const changedAt = performance.now();
      for (;;) {
        const sentAt = performance.now();
        if ((await ask()) === status) return;
        expect(sentAt - changedAt).toBeLessThan(1000);
      }
    }
    expect(await ask()).toBe(403);
    const shown = { rules: [{ range: '203.0.113.0/24' }], suspendedAt: expect.any(String) };
    const suspended = await succeed('suspend', officer, '--ticket', 'OPS-7');
    expect(suspended).toMatchObject({ tenantId: officer.tenantId, ...shown });
    await changesTo(200);
    expect(await succeed('show', officer)).toStrictEqual(suspended);
    expect(await succeed('resume', officer)).toMatchObject({ ...shown, suspendedAt: null });
    await changesTo(403);
    const operator = expect.stringMatching(/^operator:[^@\s]+@[^@\s]+$/);
    const about = { actor: operator, subject: `tenant:${officer.tenantId}`, outcome: 'success' };
    expect(await suspensions(officer)).toMatchObject([
      { ...about, action: 'IP_RULES_SUSPENDED', details: { via: 'operator', ticket: 'OPS-7' } },
      { ...about, action: 'IP_RULES_RESUMED', details: { via: 'operator' } },
    ]);
  });

  it('suspend and resume fail and write nothing if they would change nothing', async () => {
    const [limited, free] = [await seedLimited(), await seedOfficer()];
    const { tenantSlug } = limited;
    const refuse = async (what: string, who: SeededAuth) => {
      const before = await setOf(who);
      const { code, stdout, stderr } = await command(what, who);
      expect({ code, stdout }).toStrictEqual({ code: 1, stdout: '' });
      expect(await setOf(who)).toStrictEqual(before);
      return stderr.trimEnd();
    };
    expect(await refuse('resume', limited)).toBe(
      `The IP rules of tenant '${tenantSlug}' are not suspended.`,
    );
    expect(await suspensions(limited)).toStrictEqual([]);
    await succeed('suspend', limited);
    expect(await refuse('suspend', limited)).toBe(
      `The IP rules of tenant '${tenantSlug}' are suspended already.`,
    );
    expect(await suspensions(limited)).toHaveLength(1);
    const none = `Tenant '${free.tenantSlug}' has no IP rules.`;
    for (const what of ['suspend', 'resume']) expect(await refuse(what, free)).toBe(none);
    expect(await suspensions(free)).toStrictEqual([]);
    const nobody = await operate(env, ['ip-rules', 'suspend', '--tenant', 'nobody']);
    expect(nobody.stderr).toBe("There is no tenant 'nobody'.\n");
  });
});
