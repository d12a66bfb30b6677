import { sql } from 'drizzle-orm';

/**
 * Returns the condition under which a person may be signed in at a tenant: the membership, the
 * person and the tenant are all active.
 * @param staff the name or alias of `tenant_staff` in the statement
 * @param user the name or alias of `users`
 * @param tenant the name or alias of `tenants`
 */
export const maySignIn = (staff: string, user: string, tenant: string): string =>
  `${staff}.status = 'active' AND ${user}.status = 'active' AND ${tenant}.status = 'active'`;

/** The same condition for queries that drizzle builds from the three tables. */
export const MAY_SIGN_IN = sql<boolean>`${sql.raw(maySignIn('tenant_staff', 'users', 'tenants'))}`;
