import type { ClientBase } from 'pg';
import { CATALOGUE_QUERY } from './catalogueQuery';

/** What a database holds: `kind name` (as `column public.users.email`) to its definition. */
export type Catalogue = Readonly<Record<string, string>>;

interface Row {
  kind: string;
  name: string;
  definition: string;
}

/** A look may not queue behind a migration that locks what it looks at. */
const LOCK_MS = 2000;

/**
 * Reads everything in schema `public` that migrations make, whoever asks: pg_catalog hides nothing from a role
 * that may only connect. Takes a transaction of its own, so that settings hold behind a pooler and end with it.
 * @param client one connection, in no transaction; never a pool, whose queries may each go elsewhere
 * @throws the driver's error
 */
export async function readCatalogue(client: ClientBase): Promise<Catalogue> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    // Definitions are printed with the schema names that the search path makes necessary: with an empty one, all.
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
