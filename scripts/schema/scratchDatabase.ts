import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { readCatalogue } from '../../server/schema/catalogue/readCatalogue';
import type { Catalogue } from '../../server/schema/catalogue/readCatalogue';
import { startEmbeddedPostgres } from '../../server/embedded/embeddedPostgres';
import { migrate } from '../../server/schema/migrations/migrate';
import { contentsOf, remember } from './remember';

/** A database server for temporary databases. */
export interface ScratchServer {
  /** @returns the URL of a new, empty database, which is dropped when the work is done */
  createDatabase(): Promise<string>;
}

/** Runs work on a Postgres of its own, which is removed afterwards. */
async function withEmbeddedServer<T>(work: (url: string) => Promise<T>): Promise<T> {
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-scratch-'));
  try {
    const server = await startEmbeddedPostgres({ dataDir, durable: false });
    try {
      return await work(server.url);
    } finally {
      await server.stop();
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** @param url a role that may create databases */
async function withDatabases<T>(
  url: string,
  work: (server: ScratchServer) => Promise<T>,
): Promise<T> {
  const names: string[] = [];
  const ask = (statement: string) => withClient(url, (client) => client.query(statement));
  try {
    return await work({
      async createDatabase() {
        const name = `scratch_${randomBytes(6).toString('hex')}`;
        await ask(`CREATE DATABASE ${name}`);
        names.push(name);
        return Object.assign(new URL(url), { pathname: `/${name}` }).toString();
      },
    });
  } finally {
    for (const name of names) await ask(`DROP DATABASE ${name} WITH (FORCE)`);
  }
}

/**
 * Runs work that needs empty databases, on an embedded Postgres of its own that leaves nothing
 * behind. The test suite names one server for all its runs in `GATEHOUSE_SCHEMA_SERVER`, because
 * starting one takes longer than most of them.
 */
export function withScratchServer<T>(work: (server: ScratchServer) => Promise<T>): Promise<T> {
  const given = process.env['GATEHOUSE_SCHEMA_SERVER'] ?? '';
  if (given !== '') return withDatabases(given, work);
  return withEmbeddedServer((url) => withDatabases(url, work));
}

export async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Returns the objects that these migrations create in an empty database. */
export const makeCatalogue = (migrations: string): Promise<Catalogue> =>
  remember(['catalogue', ...contentsOf(migrations)], () =>
    withScratchServer(async (server) => {
      const url = await server.createDatabase();
      await migrate(url, migrations);
      return withClient(url, readCatalogue);
    }),
  );
