import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { readCatalogue } from '../../server/bootstrap/catalogue/readCatalogue';
import type { Catalogue } from '../../server/bootstrap/catalogue/readCatalogue';
import { startEmbeddedPostgres } from '../../server/bootstrap/embeddedPostgres';
import { migrate } from '../../server/bootstrap/migrate';
import { contentsOf, remember } from './remember';

/** A Postgres of its own for as long as the work takes, and nothing of it after. */
export async function withScratchServer<T>(work: (url: string) => Promise<T>): Promise<T> {
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

/** What these migrations make of an empty database. */
export const makeCatalogue = (migrations: string): Promise<Catalogue> =>
  remember(['catalogue', ...contentsOf(migrations)], () =>
    withScratchServer(async (url) => {
      await migrate(url, migrations);
      return withClient(url, readCatalogue);
    }),
  );
