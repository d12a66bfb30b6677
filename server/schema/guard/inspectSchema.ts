import { Client } from 'pg';
import { compareCatalogues } from '../catalogue/compareCatalogues';
import type { Difference } from '../catalogue/compareCatalogues';
import { readExpectedCatalogue } from '../catalogue/expectedCatalogue';
import { readCatalogue } from '../catalogue/readCatalogue';
import { readMigrationState } from '../migrations/migrate';
import type { MigrationState } from '../migrations/migrate';

/** The live database, compared with what this release's migrations create in an empty one. */
export interface SchemaReport {
  /** Every difference, including the harmless ones; see {@link Difference}. */
  differences: readonly Difference[];
  migrations: MigrationState;
  /**
   * A newer release has migrated the database. The objects that it added are not listed as
   * differences.
   */
  newer: boolean;
}

export interface InspectOptions {
  databaseUrl: string;
  migrationsDir: string;
  /** Milliseconds to wait for a connection. The default is 3000. */
  waitMs?: number;
  /** Roles that may hold privileges which no migration granted. */
  knownRoles: readonly string[];
}

/**
 * Long enough for a loaded server, and short enough that a check ends before the next one, a minute
 * later.
 */
const CONNECT_MS = 3000;
const STATEMENT_MS = 5000;

/**
 * While an old release runs on a database that a newer one has migrated, only missing tables and
 * columns can harm the old code. For the rest, the expected catalogue is no longer current.
 */
const hurtsOldCode = ({ problem, kind }: Difference) =>
  problem === 'missing' && (kind === 'table' || kind === 'column');

/**
 * Compares the live database with this release: every object of the catalogue, and the migrations.
 * It uses a connection of its own, so that requests never wait for it, and changes nothing.
 * @throws the driver's error or the manifest's error if the comparison could not be made, which
 *   does not mean that nothing is wrong
 */
export async function inspectSchema(options: InspectOptions): Promise<SchemaReport> {
  const expected = readExpectedCatalogue(options.migrationsDir).objects;
  const client = new Client({
    connectionString: options.databaseUrl,
    application_name: 'gatehouse-schema-guard',
    connectionTimeoutMillis: options.waitMs ?? CONNECT_MS,
    query_timeout: STATEMENT_MS,
    keepAlive: true,
  });
  // A connection that breaks while idle is reported by the next query.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const migrations = await readMigrationState(client, options.migrationsDir);
    const found = await readCatalogue(client);
    const newer = migrations.problems.some(({ kind }) => kind === 'newer');
    const all = compareCatalogues(expected, found, { knownRoles: options.knownRoles });
    return { differences: newer ? all.filter(hurtsOldCode) : all, migrations, newer };
  } finally {
    await client.end().catch(() => undefined);
  }
}
