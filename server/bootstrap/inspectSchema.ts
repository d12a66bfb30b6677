import { Client } from 'pg';
import { compareCatalogues } from './catalogue/compareCatalogues';
import type { Difference } from './catalogue/compareCatalogues';
import { readExpectedCatalogue } from './catalogue/expectedCatalogue';
import { readCatalogue } from './catalogue/readCatalogue';
import { readMigrationState } from './migrate';
import type { MigrationState } from './migrate';

/** What the live database is, measured against what this release's migrations make of an empty one. */
export interface SchemaReport {
  /** Every difference, the harmless ones too; see {@link Difference}. */
  differences: readonly Difference[];
  migrations: MigrationState;
  /** A newer release has migrated the database: what it added is not listed as a difference. */
  newer: boolean;
}

export interface InspectOptions {
  databaseUrl: string;
  migrationsDir: string;
  /** Milliseconds to wait for a connection; 3000 unless given. */
  waitMs?: number;
  /** Roles that may hold privileges which no migration gave. */
  knownRoles: readonly string[];
}

/** Long enough for a loaded server; short enough that a look never outlasts the minute between two. */
const CONNECT_MS = 3000;
const STATEMENT_MS = 10_000;

/**
 * While an old release runs on a database that a new one has migrated, only what the old code misses can
 * hurt it: the rest would be compared with a list that is no longer current.
 */
const hurtsOldCode = ({ problem, kind }: Difference) =>
  problem === 'missing' && (kind === 'table' || kind === 'column');

/**
 * Compares the live database with this release: every object of the catalogue, and the migrations. Uses a
 * connection of its own, so that requests never wait for it, and changes nothing.
 * @throws the driver's error, or the manifest's, where it could not look: that is not "nothing wrong"
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
  // A connection that breaks while idle is reported by the query that follows.
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
