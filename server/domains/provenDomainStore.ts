import { and, eq, isNotNull, isNull } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { domains } from '../db/schema';
import { acrossTenants, inTenant } from '../db/tenantScope';

/** Matches a domain whose proof holds now. At most one tenant has one. */
const proven = (domain: string) =>
  and(
    eq(domains.domain, domain),
    isNotNull(domains.provenAt),
    isNull(domains.lostAt),
    isNull(domains.removedAt),
  );

/**
 * Finds the tenant that has proven a domain.
 * @param domain in its normal form
 * @returns the tenant's id; undefined if no tenant's proof holds
 */
export const findProvenDomain = (db: Db, domain: string): Promise<string | undefined> =>
  acrossTenants(db, 'domains', async (tx) => {
    const [row] = await tx
      .select({ tenantId: domains.tenantId })
      .from(domains)
      .where(proven(domain));
    return row?.tenantId;
  });

/**
 * Returns whether this tenant's proof of a domain holds. It stays so until the transaction ends: the
 * row cannot be changed before.
 * @param domain in its normal form
 */
export const hasProvenDomain = (tx: Tx, tenantId: string, domain: string): Promise<boolean> =>
  inTenant(tx, tenantId, async (own) => {
    const rows = await own
      .select({ id: domains.id })
      .from(domains)
      .where(and(eq(domains.tenantId, tenantId), proven(domain)))
      .for('share');
    return rows.length === 1;
  });
