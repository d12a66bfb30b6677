import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Db, PreparedStatement, Tx } from '../../db';
import type { RunStatement } from '../../db/runWithin';
import { riskPolicies } from '../../db/schema';
import { acrossTenants, inTenant } from '../../db/tenantScope';
import { DEFAULT_POLICY, UNCHANGED, parseStoredPolicy } from './riskPolicy';
import type { RiskPolicy, VersionedPolicy } from './riskPolicy';

/**
 * The scalar subquery hides the array's length from the planner, which would otherwise plan again
 * at each execution.
 */
const POLICIES: PreparedStatement = {
  name: 'risk_policies',
  bypass: 'risk',
  text: `SELECT tenant_id AS "tenantId", version, policy FROM risk_policies
    WHERE tenant_id = ANY((SELECT $1::uuid[])::uuid[])`,
};

/**
 * Reads the policies of many tenants in one round trip, because callers of all tenants share it.
 * @returns the policies by tenant, with the defaults for a tenant without a row. A tenant with an
 * invalid row is left out, so that it does not affect the others
 */
export async function readPolicies(
  run: RunStatement,
  tenantIds: readonly string[],
): Promise<Map<string, VersionedPolicy>> {
  const rows = await run<{ tenantId: string; version: number; policy: object }>(POLICIES, [
    tenantIds,
  ]);
  const found = new Map(rows.map((row) => [row.tenantId, row]));
  return new Map(
    tenantIds.flatMap((tenantId): [string, VersionedPolicy][] => {
      const row = found.get(tenantId);
      if (!row) return [[tenantId, UNCHANGED]];
      const policy = parseStoredPolicy(row.policy);
      return policy ? [[tenantId, { version: row.version, policy }]] : [];
    }),
  );
}

export interface PolicyRow extends VersionedPolicy {
  updatedAt: Date | null;
  /** Null for an operator. */
  updatedBy: string | null;
}

const NO_ROW: PolicyRow = { ...UNCHANGED, updatedAt: null, updatedBy: null };

/** Reads the policy of one tenant from the database. */
export function readPolicyRow(db: Db | Tx, tenantId: string): Promise<PolicyRow> {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx.select().from(riskPolicies).where(eq(riskPolicies.tenantId, tenantId));
    if (!row) return NO_ROW;
    const { version, updatedAt, updatedBy } = row;
    // A manual change may have left an invalid row. Show the defaults, so that saving a policy
    // repairs the row.
    const policy = parseStoredPolicy(row.policy as object) ?? DEFAULT_POLICY;
    return { version, updatedAt, updatedBy, policy };
  });
}

/**
 * Returns whether a tenant's stored policy differs from the defaults; an invalid row differs too.
 */
export async function differsFromDefault(tx: Tx, tenantId: string): Promise<boolean> {
  const rows = await tx
    .select({ version: riskPolicies.version })
    .from(riskPolicies)
    .where(
      and(
        eq(riskPolicies.tenantId, tenantId),
        sql`${riskPolicies.policy} <> ${JSON.stringify(DEFAULT_POLICY)}::jsonb`,
      ),
    );
  return rows.length === 1;
}

/** @param timeoutMs Postgres cancels the statement after this time, because a login waits for it */
export async function readPolicyRowWithin(
  tx: Tx,
  tenantId: string,
  timeoutMs: number,
): Promise<PolicyRow> {
  await tx.execute(sql`SELECT set_config('statement_timeout', ${String(timeoutMs)}, true)`);
  return readPolicyRow(tx, tenantId);
}

/**
 * Writes the version that follows the one the caller has read; of many concurrent writers, one
 * succeeds.
 * @returns undefined if somebody else was first
 */
export async function writePolicy(
  tx: Tx,
  tenantId: string,
  change: { from: number; policy: RiskPolicy; staffId: string | null; now: Date },
): Promise<PolicyRow | undefined> {
  const row = {
    version: change.from + 1,
    policy: change.policy,
    updatedAt: change.now,
    updatedBy: change.staffId,
  };
  const rows = await tx
    .insert(riskPolicies)
    .values({ tenantId, ...row })
    .onConflictDoUpdate({
      target: riskPolicies.tenantId,
      set: row,
      setWhere: sql`${riskPolicies.version} = ${change.from}`,
    })
    .returning({ version: riskPolicies.version });
  return rows.length === 1 ? row : undefined;
}

/**
 * Returns whether each of these tenants demands a second factor at every login, read from the
 * database and not from a cache. Returns false for an empty list, and for a tenant whose row is
 * invalid.
 */
export function allDemandFactor(db: Db | Tx, tenantIds: readonly string[]): Promise<boolean> {
  return acrossTenants(db, 'person', async (tx) => {
    if (tenantIds.length === 0) return false;
    const rows = await tx
      .select({ policy: riskPolicies.policy })
      .from(riskPolicies)
      .where(inArray(riskPolicies.tenantId, [...tenantIds]));
    const demanding = rows.filter(
      ({ policy }) => parseStoredPolicy(policy as object)?.secondFactor === 'always',
    );
    return demanding.length === tenantIds.length;
  });
}
