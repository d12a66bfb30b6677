import { sql } from 'drizzle-orm';
import { db } from '@/server/db';
import type { Ids } from './inventIds';

/** The rows of each table that belong to a tenant or its member. */
export type Snapshot = Record<string, readonly string[]>;

/**
 * Prepares a single statement that reads every row of a tenant and of its member in every table. It
 * runs after each route.
 */
export async function prepareSnapshot(): Promise<(target: Ids) => Promise<Snapshot>> {
  const { rows: tables } = await db.execute<{ name: string }>(
    sql`SELECT table_name AS name FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name = 'tenant_id' ORDER BY 1`,
  );
  const read = (name: string, column: string, id: string) => sql`SELECT ${name}::text AS name,
    coalesce(array_agg(t::text ORDER BY t::text), '{}') AS rows
    FROM ${sql.identifier(name)} t WHERE ${sql.identifier(column)} = ${id}`;
  return async ({ tenantId, userId }) => {
    const parts = [
      ...tables.map(({ name }) => read(name, 'tenant_id', tenantId)),
      read('users', 'id', userId),
      read('tenants', 'id', tenantId),
    ];
    const found = await db.execute<{ name: string; rows: string[] }>(
      sql.join(parts, sql` UNION ALL `),
    );
    return Object.fromEntries(found.rows.map(({ name, rows }) => [name, rows]));
  };
}

/**
 * Returns a sentence for each table without a row of the target, because a change of an empty table
 * could not be seen.
 */
export const emptyTables = (snapshot: Snapshot): string[] =>
  Object.entries(snapshot)
    .filter(([, rows]) => rows.length === 0)
    .map(([name]) => `${name} is empty: add a row in tests/helpers/isolation/oneOfEach.ts`);
