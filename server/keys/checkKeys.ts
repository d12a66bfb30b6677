import type { Pool, PoolClient } from 'pg';
import { auditRowFromJson, toAuditRow } from '../audit';
import type { ReadyConfig } from '../config';
import { ConfigError } from '../config';
import type { RequestContext } from '../context';
import { databaseFault } from '../db/pgErrors';
import { clientAcrossTenants } from '../db/tenantScope';
import type { CheckedKey, KeyRing } from '../keyRing';
import { RETIRED_SETTINGS } from '../config/keySettings';
import type { KeySetting } from '../config/keySettings';
import type { Logger } from '../logger';
import {
  countSealedElsewhere,
  insertKeyCheck,
  lockKeyChecks,
  markServedInProduction,
  readKeyChecks,
  readServedInProduction,
} from './keyCheckStore';
import type { KeyCheckRow } from './keyCheckStore';
import { PROVERS } from './proveKeys';

/**
 * Thrown if a key of this process is not the one that the database was written with; `problems`
 * holds a sentence for each setting.
 */
export class KeyCheckError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'KeyCheckError';
  }
}

const isWrong = (setting: KeySetting) =>
  `${setting} is not the key that this database was written with: set that key, or add it to ${RETIRED_SETTINGS[setting]} (docs/key-rotation.md).`;
const isUnprovable = (setting: KeySetting) =>
  `${setting} cannot be proven to be the key that this database was written with. If you are sure that it is, run \`npm run admin -- keys adopt --setting ${setting}\`.`;

/** The result of comparing a key of this process with the key checks of its setting. */
type Standing = 'known' | 'next' | 'wrong' | 'first';

/**
 * Compares a key with its checks.
 * - `known`: the current key is known, and so is the one that came into use last.
 * - `next`: the current key is new, and the retired keys include the one that came into use last.
 * - `wrong`: this process does not have the key that came into use last, or its key fails the
 *   check.
 * - `first`: there is no check yet.
 */
function compare(key: CheckedKey, rows: readonly KeyCheckRow[]): Standing {
  const own = rows.filter(({ setting }) => setting === key.setting);
  const newest = own.at(-1);
  if (!newest) return 'first';
  // A node without the newest key would refuse, or fail to open, the values that the other nodes
  // write.
  if (!key.recognises(newest.keyId, newest.checkValue)) return 'wrong';
  const current = own.find(({ keyId }) => keyId === key.keyId);
  if (!current) return 'next';
  return key.recognises(current.keyId, current.checkValue) ? 'known' : 'wrong';
}

/** @returns a sentence for each setting whose newest key this process does not have */
export async function findUnknownKeys(pool: Pool, keys: KeyRing): Promise<string[]> {
  const rows = await readKeyChecks(pool);
  const standings = keys.checked.map((key) => [key.setting, compare(key, rows)] as const);
  const wrong = standings.filter(([, standing]) => standing === 'wrong');
  const sealing = keys.checked.find(({ setting }) => setting === 'ENCRYPTION_KEY');
  const lost = await clientAcrossTenants(pool, 'keys', (client) =>
    countSealedElsewhere(client, sealing?.knownIds ?? []),
  );
  const unreadable =
    lost === 0
      ? []
      : [
          `${lost} secrets or mails are encrypted with a key that is neither ENCRYPTION_KEY nor in ENCRYPTION_RETIRED_KEYS.`,
        ];
  return [...wrong.map(([setting]) => isWrong(setting)), ...unreadable];
}

/** @returns the reason why this key is refused, if it is */
async function settle(
  client: PoolClient,
  keys: KeyRing,
  key: CheckedKey,
  rows: readonly KeyCheckRow[],
): Promise<string | undefined> {
  const standing = compare(key, rows);
  if (standing === 'known') return undefined;
  if (standing === 'wrong') return isWrong(key.setting);
  if (standing === 'first') {
    const proof = await PROVERS[key.setting](keys, client);
    if (proof === 'wrong') return isWrong(key.setting);
    if (proof === 'unprovable') return isUnprovable(key.setting);
  }
  const { setting, keyId } = key;
  await insertKeyCheck(client, { setting, keyId, checkValue: key.prove(), adopted: false });
  return undefined;
}

/**
 * Compares each key with the key checks in the database. The first keys write their checks. If the
 * database already holds data, a first key must prove itself against that data.
 * @throws KeyCheckError with a sentence for each setting that holds another key, or whose key
 *   cannot be proven
 */
export async function checkKeys({ pool, keys }: { pool: Pool; keys: KeyRing }): Promise<void> {
  const known = await readKeyChecks(pool);
  if (keys.checked.some((key) => compare(key, known) !== 'known')) {
    const problems = await clientAcrossTenants(pool, 'keys', async (client) => {
      await lockKeyChecks(client);
      const rows = await readKeyChecks(client);
      const refusals: string[] = [];
      for (const key of keys.checked) {
        const refusal = await settle(client, keys, key, rows);
        if (refusal !== undefined) refusals.push(refusal);
      }
      // A start that is refused must not leave some of the checks behind.
      if (refusals.length > 0) await client.query('ROLLBACK');
      return refusals;
    });
    if (problems.length > 0) throw new KeyCheckError(problems);
  }
  const unreadable = await findUnknownKeys(pool, keys);
  if (unreadable.length > 0) throw new KeyCheckError(unreadable);
}

/**
 * Records that the database is served in production, and refuses test mode on such a database,
 * because test mode skips step-ups.
 * @throws ConfigError in test mode on a database that was served in production
 */
async function checkMode(pool: Pool, nodeEnv: ReadyConfig['nodeEnv']): Promise<void> {
  if (nodeEnv === 'production') await markServedInProduction(pool);
  if (nodeEnv !== 'test' || (await readServedInProduction(pool)) === null) return;
  throw new ConfigError([
    'NODE_ENV=test is refused: this database was used in production, and test mode skips second proofs.',
  ]);
}

/**
 * Runs the checks against the database that must pass before the server listens.
 * @throws KeyCheckError if the database was written with another key; ConfigError if this mode may
 *   not serve it
 */
export async function admitToDatabase(deps: {
  config: ReadyConfig;
  pool: Pool;
  keys: KeyRing;
  logger: Logger;
}): Promise<void> {
  try {
    await checkMode(deps.pool, deps.config.nodeEnv);
    await checkKeys(deps);
  } catch (error) {
    // SCHEMA_GUARD=warn lets a server start although a table is missing. The guard has named the
    // table, and readiness is false.
    if (databaseFault(error) !== 'missing_table') throw error;
    deps.logger.error({ err: error }, 'the keys could not be compared with the database');
  }
}

/**
 * Writes the check of a current key because an operator vouches for it.
 * @param wanted one setting, even if its key seems wrong; undefined for all settings whose keys
 *   cannot be proven
 * @returns the settings whose keys were adopted; empty if there was nothing to do
 * @throws KeyCheckError if no setting is named and a setting holds a wrong key
 */
export async function adoptKeys(
  deps: { pool: Pool; keys: KeyRing },
  ctx: RequestContext,
  wanted: KeySetting | undefined,
): Promise<{ setting: KeySetting; keyId: string }[]> {
  return clientAcrossTenants(deps.pool, 'keys', async (client) => {
    await lockKeyChecks(client);
    const rows = await readKeyChecks(client);
    const adopted: { setting: KeySetting; keyId: string }[] = [];
    for (const key of deps.keys.checked) {
      const { setting, keyId } = key;
      if (wanted !== undefined && setting !== wanted) continue;
      const refusal = await settle(client, deps.keys, key, rows);
      if (refusal === undefined) continue;
      if (wanted === undefined && refusal !== isUnprovable(setting)) {
        throw new KeyCheckError([refusal]);
      }
      await insertKeyCheck(client, { setting, keyId, checkValue: key.prove(), adopted: true });
      const event = toAuditRow(ctx, {
        action: 'KEY_ADOPTED',
        outcome: 'success',
        tenantId: null,
        subject: `key:${keyId}`,
        details: { setting, keyId },
      });
      await client.query(
        `INSERT INTO audit_logs SELECT a.* FROM ${auditRowFromJson('$1::jsonb')} a`,
        [JSON.stringify(event)],
      );
      adopted.push({ setting, keyId });
    }
    return adopted;
  });
}
