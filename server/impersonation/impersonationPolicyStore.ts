import { eq, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { impersonationPolicies } from '../db/schema';
import type { ImpersonationConsent, ImpersonationScope } from '../db/schema';
import { inTenant } from '../db/tenantScope';

/** The policy of a tenant about acting as another member. */
export interface ImpersonationPolicy {
  mode: 'off' | ImpersonationScope;
  consent: ImpersonationConsent;
  ticketRequired: boolean;
  maxMinutes: number;
}

const DEFAULT_POLICY: ImpersonationPolicy = {
  mode: 'read_only',
  consent: 'told',
  ticketRequired: false,
  maxMinutes: 60,
};

/** A policy with its version, which is 0 if the tenant uses the defaults. */
export interface StoredPolicy {
  version: number;
  policy: ImpersonationPolicy;
  updatedAt: Date | null;
  /** The staff id; null for an operator. */
  updatedBy: string | null;
}

const NO_ROW: StoredPolicy = {
  version: 0,
  policy: DEFAULT_POLICY,
  updatedAt: null,
  updatedBy: null,
};

/** Reads the policy of a tenant. */
export function readImpersonationPolicy(db: Db | Tx, tenantId: string): Promise<StoredPolicy> {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select()
      .from(impersonationPolicies)
      .where(eq(impersonationPolicies.tenantId, tenantId));
    if (!row) return NO_ROW;
    const { version, updatedAt, updatedBy, mode, consent, ticketRequired, maxMinutes } = row;
    const policy = { mode, consent, ticketRequired, maxMinutes };
    return { version, policy, updatedAt, updatedBy };
  });
}

/**
 * Writes the version that follows the one the caller has read; of many concurrent writers, one
 * succeeds.
 * @returns undefined if somebody else was first
 */
export function writeImpersonationPolicy(
  tx: Tx,
  tenantId: string,
  change: { from: number; policy: ImpersonationPolicy; staffId: string; now: Date },
): Promise<StoredPolicy | undefined> {
  return inTenant(tx, tenantId, async (own) => {
    const { from, policy, staffId: updatedBy, now: updatedAt } = change;
    const row = { version: from + 1, ...policy, updatedAt, updatedBy };
    const rows = await own
      .insert(impersonationPolicies)
      .values({ tenantId, ...row })
      .onConflictDoUpdate({
        target: impersonationPolicies.tenantId,
        set: row,
        setWhere: sql`${impersonationPolicies.version} = ${from}`,
      })
      .returning({ version: impersonationPolicies.version });
    return rows.length === 1 ? { version: row.version, policy, updatedAt, updatedBy } : undefined;
  });
}
