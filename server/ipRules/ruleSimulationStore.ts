import { sql } from 'drizzle-orm';
import type { Db } from '../db';
import { inTenant } from '../db/tenantScope';

/** How often one person signed in or refreshed from one address. */
export interface SeenAddress {
  staffId: string;
  address: string | null;
  country: string | null;
  requests: number;
  /** Milliseconds since the epoch. */
  lastAt: number;
}

/** More pairs of person and address than a tenant has in a month, and few enough to hold in memory. */
const MOST_PAIRS = 50_000;

/**
 * Counts the sign-ins and refreshes of a tenant's members by their addresses. A login that was
 * repeated with its proof is one login.
 */
export function listSeenAddresses(
  db: Db,
  tenantId: string,
  { from, to }: { from: Date; to: Date },
): Promise<SeenAddress[]> {
  return inTenant(db, tenantId, async (tx) => {
    const { rows } = await tx.execute<SeenAddress & Record<string, unknown>>(
      sql`SELECT staff_id AS "staffId", ip AS address, max(country) AS country, count(*)::int AS requests,
          (extract(epoch FROM max(occurred_at)) * 1000)::float8 AS "lastAt"
        FROM risk_decisions
        WHERE tenant_id = ${tenantId} AND occurred_at >= ${from.toISOString()} AND occurred_at < ${to.toISOString()}
          AND outcome <> 'passed'
        GROUP BY staff_id, ip ORDER BY count(*) DESC, staff_id, ip LIMIT ${MOST_PAIRS}`,
    );
    return rows;
  });
}

/** Returns the e-mail addresses of members by their staff id; those who were removed are not there. */
export function findEmails(
  db: Db,
  tenantId: string,
  staffIds: readonly string[],
): Promise<Map<string, string>> {
  return inTenant(db, tenantId, async (tx) => {
    const { rows } = await tx.execute<{ staffId: string; email: string }>(
      sql`SELECT st.id AS "staffId", u.email FROM tenant_staff st JOIN users u ON u.id = st.user_id
        WHERE st.tenant_id = ${tenantId} AND st.id = ANY(${sql.param([...staffIds])}::uuid[])`,
    );
    return new Map(rows.map(({ staffId, email }) => [staffId, email]));
  });
}

/** The last use of a key. */
export interface SeenKey {
  apiKeyId: string;
  name: string;
  address: string | null;
  lastAt: number;
}

/** Lists the last use of each live key of a tenant since a moment. */
export function listSeenKeys(db: Db, tenantId: string, from: Date): Promise<SeenKey[]> {
  return inTenant(db, tenantId, async (tx) => {
    const { rows } = await tx.execute<SeenKey & Record<string, unknown>>(
      sql`SELECT id AS "apiKeyId", name, last_used_ip AS address,
          (extract(epoch FROM last_used_at) * 1000)::float8 AS "lastAt"
        FROM api_keys
        WHERE tenant_id = ${tenantId} AND revoked_at IS NULL AND last_used_at >= ${from.toISOString()}
        ORDER BY last_used_at DESC, id`,
    );
    return rows;
  });
}
