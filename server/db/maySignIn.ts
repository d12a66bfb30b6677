import { sql } from 'drizzle-orm';

/**
 * Returns the condition under which a membership has not reached its end. The database's clock
 * decides, so all nodes agree.
 * @param staff the name or alias of `tenant_staff` in the statement
 */
export const notEnded = (staff: string): string =>
  `(${staff}.ends_at IS NULL OR ${staff}.ends_at > now())`;

/**
 * Returns the condition under which a person may be signed in at a tenant: the membership, the
 * person and the tenant are all active, and the membership has not ended.
 * @param staff the name or alias of `tenant_staff` in the statement
 * @param user the name or alias of `users`
 * @param tenant the name or alias of `tenants`
 */
export const maySignIn = (staff: string, user: string, tenant: string): string =>
  `${staff}.status = 'active' AND ${notEnded(staff)} AND ${user}.status = 'active' AND ${tenant}.status = 'active'`;

/** The same conditions for queries that drizzle builds from the tables. */
export const NOT_ENDED = sql<boolean>`${sql.raw(notEnded('tenant_staff'))}`;
export const MAY_SIGN_IN = sql<boolean>`${sql.raw(maySignIn('tenant_staff', 'users', 'tenants'))}`;
