import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../server/bootstrap/embeddedPostgres';
import type { EmbeddedPostgres } from '../../server/bootstrap/embeddedPostgres';
import { migrate } from '../../server/bootstrap/migrate';
import { generateSecrets } from '../../server/keyRing';
import { seedTemplate } from './seedTemplate';
import { TEMPLATE_DATABASE, databaseUrl } from './testDatabase';

declare global {
  var gatehouseTestServer: EmbeddedPostgres | undefined;
}

/** One server for the whole run, one migrated template; every test file gets a clone of its own. */
export default async function globalSetup(): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-test-'));
  const server = await startEmbeddedPostgres({ dataDir, durable: false, maxConnections: 300 });
  globalThis.gatehouseTestServer = server;
  const secrets = generateSecrets();
  Object.assign(process.env, {
    GATEHOUSE_TEST_SERVER: server.url,
    GATEHOUSE_TEST_DIR: dataDir,
    NODE_ENV: 'test',
    LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'silent',
    ARGON2_MEMORY_KIB: '1024',
    ARGON2_TIME_COST: '1',
    TRUST_PROXY: 'loopback',
    // A busy machine is no reason to go without a score: the tests about the deadline set one of their own.
    ANOMALY_TIMEOUT_MS: '5000',
    JWT_SIGNING_KEY: secrets.jwtSigningKey,
    TOKEN_HASH_KEY: secrets.tokenHashKey,
    ENCRYPTION_KEY: secrets.encryptionKey,
    EVIDENCE_SIGNING_KEY: secrets.evidenceSigningKey,
  });
  writeFileSync(join(dataDir, 'README'), 'Made by a test run; safe to delete.\n');
  const admin = new Client({ connectionString: server.url });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${TEMPLATE_DATABASE}`);
  // Thousands of connections: stretching a random password 4096 times for each protects nobody here.
  const password = admin.escapeLiteral(new URL(server.url).password);
  await admin.query(`SET scram_iterations = 1; ALTER ROLE gatehouse PASSWORD ${password}`);
  await admin.end();
  const url = databaseUrl(server.url, TEMPLATE_DATABASE);
  await migrate(url, join(__dirname, '..', '..', 'migrations'));
  await seedTemplate(url, secrets);
}
