import { sql } from 'drizzle-orm';
import { pgPolicy } from 'drizzle-orm/pg-core';
import { bypassesOf } from './bypasses';

/**
 * Builds the policy of a table with `tenant_id`: a statement sees and writes the rows of the tenant
 * that its transaction named with `inTenant`, or all rows if the transaction named a bypass that
 * lists this table. A transaction that named neither sees no row. It binds every role but
 * superusers, those with BYPASSRLS, and the owner of the table.
 */
export function tenantRows(table: string) {
  const names = bypassesOf(table).sort();
  const own = `tenant_id = nullif(current_setting('gatehouse.tenant_id', true), '')::uuid`;
  const bypass = `current_setting('gatehouse.bypass', true) = ANY ('{${names.join(',')}}'::text[])`;
  return pgPolicy('tenant_rows', {
    using: sql.raw(names.length === 0 ? own : `${own} OR ${bypass}`),
  });
}
