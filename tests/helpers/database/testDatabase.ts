import { randomBytes } from 'node:crypto';
import { Client } from 'pg';

/** Distinguishes the databases of this run from those of others on the same server. */
const runId = (): string => (process.env['GATEHOUSE_TEST_RUN'] ??= randomBytes(4).toString('hex'));

/** Returns the name of the migrated database from which each test file's database is cloned. */
export const templateName = (): string => `gatehouse_template_${runId()}`;

/** Returns the URL of another database on the same server. */
export function databaseUrl(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.toString();
}

type RunOnServer = <T>(work: (client: Client) => Promise<T>) => Promise<T>;

const newClient = () => new Client({ connectionString: process.env['GATEHOUSE_TEST_SERVER'] });

const onServer: RunOnServer = async (work) => {
  const client = newClient();
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

/**
 * Keeps one connection to the server for as long as this process lives, which it does not prolong.
 * Opening a connection takes as long as copying a database.
 */
export function keepConnection(): RunOnServer {
  let opening: Promise<Client> | undefined;
  const open = async () => {
    const client = newClient();
    client.on('error', () => undefined);
    client.once('end', () => (opening = undefined));
    await client.connect();
    (client as unknown as { unref(): void }).unref();
    return client;
  };
  return async (work) => work(await (opening ??= open()));
}

/** Creates a fresh database: a clone of the migrated template, or an empty one. */
export async function createTestDatabase(
  template: string = templateName(),
  run: RunOnServer = onServer,
): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `test_${runId()}_${randomBytes(6).toString('hex')}`;
  const cloning = process.env['GATEHOUSE_TEST_CLONING'] ?? '';
  await run((client) => client.query(`CREATE DATABASE ${name} TEMPLATE ${template} ${cloning}`));
  return {
    url: databaseUrl(process.env['GATEHOUSE_TEST_SERVER'] ?? '', name),
    drop: async () => {
      await run((client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
  };
}

/** Removes all databases of this run from a server that outlives it. */
export const dropTestDatabases = (): Promise<void> =>
  onServer(async (client) => {
    const { rows } = await client.query<{ name: string }>(
      'SELECT datname AS name FROM pg_database WHERE datname = $1 OR starts_with(datname, $2)',
      [templateName(), `test_${runId()}_`],
    );
    for (const { name } of rows) await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
  });
