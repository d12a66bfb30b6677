import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildSync } from 'esbuild';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../../server/embedded/embeddedPostgres';
import type { EmbeddedPostgres } from '../../../server/embedded/embeddedPostgres';
import { migrate } from '../../../server/schema/migrations/migrate';
import { generateSecrets } from '../../../server/keyRing';
import { ask } from '../database/askDatabase';
import { RATE_LIMITS_OFF } from '../server/rateLimitsOff';
import { watchingModule } from './answerFiles';
import { keepingModule } from './codeFiles';
import { seedTemplate } from './seedTemplate';
import { createRunRole, databaseUrl, grantFunctions, templateName } from '../database/testDatabase';

declare global {
  var gatehouseTestServer: EmbeddedPostgres | undefined;
}

const NEEDED_CONNECTIONS = 200;
/** Bytes; several times of what a run needs. */
const ROOM_FOR_A_RUN = 4 * 1024 ** 3;
/**
 * The first versions that let only the owner create objects in schema `public`, as docs/deployment.md asks for, and that know
 * `CREATE DATABASE … STRATEGY` and `scram_iterations`.
 */
const CLOSES_PUBLIC = 150_000;
const HAS_COPY_STRATEGY = 150_000;
const HAS_SCRAM_ITERATIONS = 160_000;

const say = (text: string) => void process.stderr.write(`${text}\n`);

interface Server {
  isSuperuser: boolean;
  version: number;
  versionText: string;
  connections: number;
}

async function lookAt(admin: Client): Promise<Server> {
  const { rows } = await admin.query<Server>(
    `SELECT rolsuper AS "isSuperuser", current_setting('server_version_num')::int AS version,
       current_setting('server_version') AS "versionText", current_setting('max_connections')::int AS connections
     FROM pg_roles WHERE rolname = current_user`,
  );
  return rows[0] as Server;
}

/** @throws Error with one sentence if the suite cannot run on this server */
function assertFit({ isSuperuser, version, connections }: Server): void {
  if (version < 140_000) throw new Error('TEST_DATABASE_URL: Postgres 14 or newer is needed.');
  if (!isSuperuser) {
    throw new Error(
      'TEST_DATABASE_URL: the role must be a superuser, because the tests create roles.',
    );
  }
  if (connections >= NEEDED_CONNECTIONS) return;
  throw new Error(
    `TEST_DATABASE_URL: max_connections is ${connections}, but the suite needs ${NEEDED_CONNECTIONS}.`,
  );
}

/** Whether programs can be run from this folder. Containers often mount theirs in memory without it. */
function canRunPrograms(folder: string): boolean {
  const program = join(folder, 'program');
  writeFileSync(program, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  return spawnSync(program).status === 0;
}

/**
 * Makes the folder of this run, in memory if this machine has a place with enough room. Each test
 * file's database is a copy of fourteen hundred small files, which takes five times as long on a
 * disk, and many tests copy checkouts and start databases of their own.
 */
function makeFolder(): string {
  const memory = '/dev/shm';
  try {
    const { bavail, bsize } = statfsSync(memory);
    if (bavail * bsize > ROOM_FOR_A_RUN) {
      const folder = mkdtempSync(join(memory, 'gatehouse-test-'));
      if (canRunPrograms(folder)) return folder;
      rmSync(folder, { recursive: true });
    }
  } catch {
    // There is none, or this user may not write to it.
  }
  return mkdtempSync(join(tmpdir(), 'gatehouse-test-'));
}

/** The server that `TEST_DATABASE_URL` names, or an embedded one for this run. */
async function openServer(dataDir: string): Promise<string> {
  const given = process.env['TEST_DATABASE_URL'];
  if (given) return given;
  const server = await startEmbeddedPostgres({ dataDir, durable: false, maxConnections: 300 });
  globalThis.gatehouseTestServer = server;
  return server.url;
}

/**
 * Returns the statement that makes passwords of a connection cheap. The suite opens thousands of
 * connections, and each would hash its random password 4096 times, which protects nothing here.
 */
const cheapPasswords = ({ version }: Server): string =>
  version >= HAS_SCRAM_ITERATIONS ? 'SET scram_iterations = 1;' : '';

/** Creates the template. The database of each test file is a clone of it. */
async function makeTemplate(serverUrl: string): Promise<Server> {
  const admin = new Client({ connectionString: serverUrl });
  await admin.connect();
  try {
    const server = await lookAt(admin);
    assertFit(server);
    await admin.query(`CREATE DATABASE ${templateName()}`);
    if (globalThis.gatehouseTestServer) {
      const password = admin.escapeLiteral(new URL(serverUrl).password);
      await admin.query(`${cheapPasswords(server)} ALTER ROLE gatehouse PASSWORD ${password}`);
    }
    return server;
  } finally {
    await admin.end();
  }
}

const REPOSITORY = join(__dirname, '..', '..', '..');

/** Many tests start the build. With an old one they would wait for events that never happen. */
const build = () => promisify(execFile)(process.execPath, [join(REPOSITORY, 'scripts/build.mjs')]);

/** Starts one server, and creates one migrated template, of which each test file gets a clone. */
async function prepareDatabase(): Promise<void> {
  // Each application that a test builds looks for misspelt settings among them.
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('npm_')) Reflect.deleteProperty(process.env, name);
  }
  const folder = makeFolder();
  const dataDir = join(folder, 'database');
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary);
  // The database's own account must be able to pass.
  chmodSync(folder, 0o711);
  chmodSync(temporary, 0o1777);
  const serverUrl = await openServer(dataDir);
  const secrets = generateSecrets();
  Object.assign(process.env, {
    GATEHOUSE_TEST_SERVER: serverUrl,
    GATEHOUSE_TEST_DIR: folder,
    // The catalogue of the migrations is recorded with the embedded version.
    GATEHOUSE_TEST_EMBEDDED: globalThis.gatehouseTestServer ? serverUrl : '',
    // Read by `os.tmpdir()`.
    TMPDIR: temporary,
    NODE_ENV: 'test',
    LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'silent',
    ARGON2_MEMORY_KIB: '1024',
    ARGON2_TIME_COST: '1',
    ...RATE_LIMITS_OFF,
    TRUST_PROXY: 'loopback',
    // A busy machine must not skip the score. The tests of the deadline set their own.
    ANOMALY_TIMEOUT_MS: '5000',
    // Nor must it answer with 503.
    DATABASE_WAIT_MS: '30000',
    DATABASE_STATEMENT_TIMEOUT_MS: '30000',
    // Finding out takes two connections for each test file. The tests of poolers find out.
    DATABASE_POOLER: 'none',
    JWT_SIGNING_KEY: secrets.jwtSigningKey,
    TOKEN_HASH_KEY: secrets.tokenHashKey,
    ENCRYPTION_KEY: secrets.encryptionKey,
    EVIDENCE_SIGNING_KEY: secrets.evidenceSigningKey,
  });
  const preloaded = { watchProcess: watchingModule(), keepCode: keepingModule() };
  for (const [name, outfile] of Object.entries(preloaded)) {
    buildSync({
      entryPoints: [join(__dirname, `${name}.ts`)],
      outfile,
      bundle: true,
      platform: 'node',
      logLevel: 'error',
    });
  }
  writeFileSync(join(folder, 'README'), 'Made by a test run; safe to delete.\n');
  const server = await makeTemplate(serverUrl);
  const { version, versionText } = server;
  await createRunRole(serverUrl, cheapPasswords(server));
  // Copies files, because a copy through the write-ahead log takes three times as long.
  process.env['GATEHOUSE_TEST_CLONING'] = version >= HAS_COPY_STRATEGY ? 'STRATEGY FILE_COPY' : '';
  const url = databaseUrl(serverUrl, templateName());
  await migrate(url, join(REPOSITORY, 'migrations'));
  if (version < CLOSES_PUBLIC) await ask(url, 'REVOKE CREATE ON SCHEMA public FROM PUBLIC');
  await grantFunctions(url);
  await seedTemplate(url, secrets);
  const origin = globalThis.gatehouseTestServer ? 'embedded' : 'from TEST_DATABASE_URL';
  say(`Postgres ${versionText}, ${origin}.`);
}

/** Prepares the build and the database for the whole run, at the same time. */
export default async function globalSetup(): Promise<void> {
  const [built, prepared] = await Promise.allSettled([build(), prepareDatabase()]);
  for (const { reason } of [built, prepared].filter((part) => part.status === 'rejected')) {
    throw reason as Error;
  }
}
