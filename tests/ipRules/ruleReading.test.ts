import { sql } from 'drizzle-orm';
import { db } from '@/server/db';
import type { RunStatement } from '@/server/db/runWithin';
import { runWithin } from '@/server/db/runWithin';
import { READ_AT_ONCE, readRuleSets } from '@/server/ipRules/ruleReadStore';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { openNode } from '@/tests/helpers/server/openNode';

const { deps } = openNode();

const COUNT = 1000;

/** Gives each of some tenants a thousand rules. */
async function seedRules(tenantIds: readonly string[]): Promise<void> {
  for (const id of tenantIds) {
    await db.execute(sql`INSERT INTO ip_rule_sets (tenant_id) VALUES (${id})`);
    await db.execute(sql`INSERT INTO ip_rules (tenant_id, action, applies_to, range)
      SELECT ${id}, 'deny', 'people', ('10.0.' || at / 256 || '.' || at % 256)::cidr
      FROM generate_series(1, ${COUNT}::int) at`);
  }
}

describe('the rules of many tenants', () => {
  it('are read in parts, so that no deadline depends on how many there are together', async () => {
    const tenantIds: string[] = [];
    while (tenantIds.length < 6) tenantIds.push((await seedOfficer()).tenantId);
    await seedRules(tenantIds);
    const parts: number[] = [];
    const within = runWithin(deps.pool, 5000);
    const run: RunStatement = async (statement, values) => {
      const rows = await within<{ rules?: unknown[] }>(statement, values);
      parts.push(rows.reduce((sum, { rules = [] }) => sum + rules.length, 0));
      return rows as never[];
    };
    const sets = await readRuleSets(run, new Map());
    const own = sets.filter(({ tenantId }) => tenantIds.includes(tenantId));
    expect(own.map(({ rules }) => rules?.length)).toStrictEqual(Array(6).fill(COUNT));
    expect(Math.max(...parts)).toBeLessThanOrEqual(READ_AT_ONCE);
    const known = new Map(sets.slice(1).map(({ tenantId, version }) => [tenantId, version]));
    const again = await readRuleSets(within, known);
    expect(again).toHaveLength(sets.length);
    expect(again.flatMap(({ rules }) => rules ?? [])).toHaveLength(sets[0]?.rules?.length ?? 0);
  });
});
