import { createKeyRing, generateSecrets } from '@/server/keyRing';
import { readSecrets } from '@/server/config/keySettings';
import { openClientSecret, sealClientSecret } from '@/server/ssoConnections';
import { ask } from '../helpers/database/askDatabase';
import { createTestDatabase } from '../helpers/database/testDatabase';
import { closeLater } from '../helpers/server/closing';
import { operate } from '../helpers/server/operatorCommand';
import { startInProcess, stopServers } from '../helpers/server/serverInProcess';
import { externalEnv } from '../helpers/server/serverProcess';
import { pollUntil } from '../helpers/time/pollUntil';

afterEach(stopServers);

const METADATA = JSON.stringify({ issuer: 'https://idp.example' });

function ringOf(env: NodeJS.ProcessEnv) {
  const secrets = readSecrets(env);
  if (!secrets) throw new Error('the keys cannot be used');
  return createKeyRing(secrets);
}

interface Stored {
  id: string;
  tenantId: string;
  now: Buffer | null;
  before: Buffer | null;
}

/** Stores a connection in the middle of a change of its secret, and a draft, which has none. */
async function giveConnections(database: string, env: NodeJS.ProcessEnv): Promise<void> {
  const keys = ringOf(env);
  const [tenant] = await ask<{ id: string }>(database, 'SELECT id FROM tenants LIMIT 1');
  const [fresh] = await ask<{ id: string }>(database, 'SELECT gatehouse_uuid_v7() AS id');
  if (!tenant || !fresh) throw new Error('the scene could not be set');
  const row = { tenantId: tenant.id, id: fresh.id };
  const [now, before] = ['now', 'before'].map((secret) => sealClientSecret(keys, row, secret));
  await ask(
    database,
    `INSERT INTO sso_connections (id, tenant_id, name, issuer, client_id, token_auth, alg, metadata, metadata_at,
       secret_sealed, secret_key_id, secret_changed_at, previous_sealed, previous_key_id, previous_until)
     VALUES ($1, $2, 'Okta', 'https://idp.example', 'c', 'basic', 'ES256', $3, now(), $4, $5, now(), $6, $5, now() + interval '1 day'),
       (gatehouse_uuid_v7(), $2, 'Draft', 'https://idp.example', NULL, 'basic', 'ES256', $3, now(), NULL, NULL, NULL, NULL, NULL, NULL)`,
    [row.id, row.tenantId, METADATA, now?.secretSealed, now?.secretKeyId, before?.secretSealed],
  );
}

const read = (database: string) =>
  ask<Stored>(
    database,
    `SELECT id, tenant_id AS "tenantId", secret_sealed AS now, previous_sealed AS before
     FROM sso_connections WHERE client_id IS NOT NULL`,
  );

interface Status {
  setting: string;
  state: string;
  left: Record<string, number>;
  canGo: boolean;
}
async function statusOfOldKey(env: NodeJS.ProcessEnv): Promise<Status | undefined> {
  const { stdout } = await operate(env, ['keys', 'status']);
  const { keys } = JSON.parse(stdout) as { keys: Status[] };
  return keys.find((key) => key.setting === 'ENCRYPTION_KEY' && key.state === 'accepted');
}

it('both client secrets of a connection are sealed again under a new ENCRYPTION_KEY, and the old one can go only then', async () => {
  const created = await createTestDatabase();
  closeLater(created.drop);
  const database = created.url;
  const old: NodeJS.ProcessEnv = { ...externalEnv(database), LOG_LEVEL: 'silent' };
  await startInProcess(old).url();
  await stopServers();
  await giveConnections(database, old);
  const next = { ...old, ENCRYPTION_KEY: generateSecrets().encryptionKey };
  const both = { ...next, ENCRYPTION_RETIRED_KEYS: old['ENCRYPTION_KEY'] };
  const waiting = { ...old, ENCRYPTION_RETIRED_KEYS: next.ENCRYPTION_KEY };
  await startInProcess(waiting).url();
  await stopServers();
  // The key that came into use first is the current one of these settings.
  const { stdout } = await operate(waiting, ['keys', 'status']);
  const { keys } = JSON.parse(stdout) as { keys: Status[] };
  const current = keys.find(
    ({ setting, state }) => `${setting} ${state}` === 'ENCRYPTION_KEY current',
  );
  expect(current?.left['ssoSecrets']).toBe(2);

  await startInProcess(both).url();
  await pollUntil(
    'the old key can go',
    () => statusOfOldKey(both),
    (status) => status?.canGo === true && status.left['ssoSecrets'] === 0,
  );
  const [row] = await read(database);
  const newOnly = ringOf(next);
  const opened = [row?.now, row?.before].map(
    (sealed) => row && sealed && openClientSecret(newOnly, row, sealed),
  );
  expect(opened).toStrictEqual(['now', 'before']);
});

it('a node whose keys open no stored client secret does not start', async () => {
  const created = await createTestDatabase();
  closeLater(created.drop);
  const database = created.url;
  const env: NodeJS.ProcessEnv = { ...externalEnv(database), LOG_LEVEL: 'silent' };
  await giveConnections(database, env);
  // The check values would refuse the other key already.
  await ask(database, 'DELETE FROM key_checks');
  const other = { ...env, ENCRYPTION_KEY: generateSecrets().encryptionKey };
  const refused = startInProcess(other);
  expect(await refused.exited).toBe(7);
  expect(refused.stderr()).toMatch(/^ENCRYPTION_KEY is not the key/m);
  await startInProcess(env).url();
});
