import type { ClientBase } from 'pg';
import { CATALOGUE_QUERY } from './catalogueQuery';

/**
 * The objects of a database: maps `kind name` (such as `column public.users.email`) to the
 * definition.
 */
export type Catalogue = Readonly<Record<string, string>>;

interface Row {
  kind: string;
  name: string;
  definition: string;
}

/** Reading the catalogue must not wait long behind a migration that locks a table. */
const LOCK_MS = 2000;

/**
 * Reads every object in schema `public` that migrations create. Any role can do that, because
 * pg_catalog hides nothing from a role that may connect. It uses a transaction of its own, so that
 * its settings apply behind a pooler and end with it.
 * @param client one connection that is in no transaction; never a pool, because each of its queries
 *   may use another connection
 * @throws the driver's error
 */
export async function readCatalogue(client: ClientBase): Promise<Catalogue> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    // Postgres prints a schema name if the search path makes it necessary. With an empty search
    // path it always prints it.
    await client.query(
      `SELECT set_config('search_path', '', true), set_config('lock_timeout', '${LOCK_MS}ms', true),
         set_config('quote_all_identifiers', 'off', true)`,
    );
    const { rows } = await client.query<Row>(CATALOGUE_QUERY);
    return Object.fromEntries(rows.map((row) => [`${row.kind} ${row.name}`, row.definition]));
  } finally {
    await client.query('ROLLBACK').catch(() => undefined);
  }
}
