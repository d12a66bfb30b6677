import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { CALLED_FUNCTIONS } from '../../../server/db/schema/ownerFunctions';
import { ask } from './askDatabase';

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

/** Returns the name of the role of {@link servingUrl}. */
export const servingRole = (): string => `gatehouse_serving_${runId()}`;
const servingPassword = (): string =>
  (process.env['GATEHOUSE_TEST_SERVING_PASSWORD'] ??= randomBytes(9).toString('hex'));

/**
 * Returns the URL of a database as the role that applications under test connect as. Row-level
 * security binds it, and it owns nothing. The SQL of the tests themselves is the owner's.
 */
export function servingUrl(ownerUrl: string): string {
  const url = new URL(ownerUrl);
  url.username = servingRole();
  url.password = servingPassword();
  return url.toString();
}

/**
 * Creates the role of {@link servingUrl}. It reads and writes everything through roles of Postgres,
 * so no database has grants that its migrations did not make.
 * @param first a statement to run before it on the same connection
 */
export const createRunRole = (serverUrl: string, first: string): Promise<unknown> =>
  ask(
    serverUrl,
    `${first} CREATE ROLE ${servingRole()} LOGIN PASSWORD '${servingPassword()}'
       IN ROLE pg_read_all_data, pg_write_all_data`,
  );

/**
 * Lets the role of {@link servingUrl} call the functions that no role of Postgres may call, in the
 * template and so in each clone. `SCHEMA_KNOWN_ROLES` keeps the grants from being reported.
 */
export const grantFunctions = (templateUrl: string): Promise<unknown> => {
  process.env['SCHEMA_KNOWN_ROLES'] = servingRole();
  const names = CALLED_FUNCTIONS.join(', ');
  return ask(templateUrl, `GRANT EXECUTE ON FUNCTION ${names} TO ${servingRole()}`);
};

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

/** Removes all databases and the role of this run from a server that outlives it. */
export const dropTestDatabases = (): Promise<void> =>
  onServer(async (client) => {
    const { rows } = await client.query<{ name: string }>(
      'SELECT datname AS name FROM pg_database WHERE datname = $1 OR starts_with(datname, $2)',
      [templateName(), `test_${runId()}_`],
    );
    for (const { name } of rows) await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await client.query(`DROP ROLE IF EXISTS ${servingRole()}`);
  });
