import type { Pool, PoolClient } from 'pg';
import { auditRowFromJson, toAuditRow } from '../audit';
import type { ReadyConfig } from '../config';
import { ConfigError } from '../config';
import type { RequestContext } from '../context';
import { databaseFault } from '../db/pgErrors';
import type { CheckedKey, KeyRing } from '../keyRing';
import { RETIRED_SETTINGS } from '../keySettings';
import type { KeySetting } from '../keySettings';
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

/** A key of this process is not one that the database was written with: `problems` holds a sentence for each. */
export class KeyCheckError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'KeyCheckError';
  }
}

const isWrong = (setting: KeySetting) =>
  `${setting} is not the key that this database is written with: set that key, or add it to ${RETIRED_SETTINGS[setting]} (docs/key-rotation.md).`;
const isUnprovable = (setting: KeySetting) =>
  `${setting} cannot be proven to be the key that this database was written with: if you are sure that it is, run \`npm run admin -- keys adopt --setting ${setting}\`.`;

/** How a key of this process compares with the checks of its setting. */
type Standing = 'known' | 'next' | 'wrong' | 'first';

/**
 * - `known`: the current key is known, and so is the one that came into use last.
 * - `next`: the current key is new, and the list of retired ones holds the one that came into use last.
 * - `first`: there is no check yet.
 */
function compare(key: CheckedKey, rows: readonly KeyCheckRow[]): Standing {
  const own = rows.filter(({ setting }) => setting === key.setting);
  const newest = own.at(-1);
  if (!newest) return 'first';
  // A node that does not know the newest key would refuse, or fail to open, what the others write.
  if (!key.recognises(newest.keyId, newest.checkValue)) return 'wrong';
  const current = own.find(({ keyId }) => keyId === key.keyId);
  if (!current) return 'next';
  return key.recognises(current.keyId, current.checkValue) ? 'known' : 'wrong';
}

/** @returns a sentence for each setting whose newest key this process does not know */
export async function findUnknownKeys(
  pool: Pick<PoolClient, 'query'>,
  keys: KeyRing,
): Promise<string[]> {
  const rows = await readKeyChecks(pool);
  const standings = keys.checked.map((key) => [key.setting, compare(key, rows)] as const);
  const wrong = standings.filter(([, standing]) => standing === 'wrong');
  const sealing = keys.checked.find(({ setting }) => setting === 'ENCRYPTION_KEY');
  const lost = await countSealedElsewhere(pool, sealing?.knownIds ?? []);
  const unreadable =
    lost === 0
      ? []
      : [
          `${lost} secrets or mails are sealed with a key that is neither ENCRYPTION_KEY nor in ENCRYPTION_RETIRED_KEYS.`,
        ];
  return [...wrong.map(([setting]) => isWrong(setting)), ...unreadable];
}

/** @returns why this key is refused, if it is */
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

async function inTransaction<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

/**
 * Compares each key with what the database knows of it. The first keys leave their checks; on a database that already
 * holds something a key must prove itself by it first.
 * @throws KeyCheckError with a sentence for each setting that holds another key, or cannot be proven
 */
export async function checkKeys({ pool, keys }: { pool: Pool; keys: KeyRing }): Promise<void> {
  const known = await readKeyChecks(pool);
  if (keys.checked.some((key) => compare(key, known) !== 'known')) {
    const problems = await inTransaction(pool, async (client) => {
      await lockKeyChecks(client);
      const rows = await readKeyChecks(client);
      const refusals: string[] = [];
      for (const key of keys.checked) {
        const refusal = await settle(client, keys, key, rows);
        if (refusal !== undefined) refusals.push(refusal);
      }
      // None of them, unless all: a start that is refused leaves nothing behind.
      if (refusals.length > 0) await client.query('ROLLBACK');
      return refusals;
    });
    if (problems.length > 0) throw new KeyCheckError(problems);
  }
  const unreadable = await findUnknownKeys(pool, keys);
  if (unreadable.length > 0) throw new KeyCheckError(unreadable);
}

/**
 * Remembers that the database is served in production, and keeps test mode, with its bypass of step-ups, away from it.
 * @throws ConfigError in test mode on a database that was served in production
 */
async function checkMode(pool: Pool, nodeEnv: ReadyConfig['nodeEnv']): Promise<void> {
  if (nodeEnv === 'production') await markServedInProduction(pool);
  if (nodeEnv !== 'test' || (await readServedInProduction(pool)) === null) return;
  throw new ConfigError([
    'NODE_ENV=test is refused: this database was served in production, and test mode skips second proofs.',
  ]);
}

/**
 * What a server asks of its database before it listens.
 * @throws KeyCheckError if the database was written with another key; ConfigError if this mode may not serve it
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
    // SCHEMA_GUARD=warn lets a server start without a table; the guard has named it, and readiness is false.
    if (databaseFault(error) !== 'missing_table') throw error;
    deps.logger.error({ err: error }, 'the keys could not be compared with the database');
  }
}

/**
 * Writes the check of a current key on an operator's word.
 * @param wanted the one setting, even if its key seems wrong; undefined for all that nothing can prove
 * @returns the settings whose keys were adopted; empty if there was nothing to do
 * @throws KeyCheckError if another setting holds a wrong key and none is named
 */
export async function adoptKeys(
  deps: { pool: Pool; keys: KeyRing },
  ctx: RequestContext,
  wanted: KeySetting | undefined,
): Promise<{ setting: KeySetting; keyId: string }[]> {
  return inTransaction(deps.pool, async (client) => {
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
