import type { ReadyConfig } from '../config';
import { ConnectionError, explainConnectionFault } from '../db/connectionFaults';
import { databaseFault } from '../db/pgErrors';
import { migrate, MigrationError, readMigrationState } from '../schema/migrations/migrate';
import type { LockWait } from '../schema/migrations/migrate';
import { refusalOf } from '../schema/migrations/migrationError';

type PrepareConfig = Pick<
  ReadyConfig,
  'databaseUrl' | 'migrationsDir' | 'migrateOnBoot' | 'version' | 'migratedBy'
>;

export interface PrepareOptions {
  /** Called while another process migrates, with that process: at once, then every ten seconds. */
  onWait?: (wait: LockWait) => void;
}

/**
 * Brings the database to the state that this release needs, or explains why this release must not
 * run on it.
 * @returns how many migrations were applied
 * @throws MigrationError, or ConnectionError if the database cannot be reached; both with plain
 *   sentences
 */
export async function prepareDatabase(
  config: PrepareConfig,
  options: PrepareOptions = {},
): Promise<number> {
  const { databaseUrl, migrationsDir, migrateOnBoot, version, migratedBy } = config;
  try {
    if (migrateOnBoot) {
      const record = { codeVersion: version, appliedBy: migratedBy, correlationId: 'boot' };
      return await migrate(databaseUrl, migrationsDir, { ...record, ...options });
    }
    await assertMigrated(databaseUrl, migrationsDir);
    return 0;
  } catch (error) {
    throw explain(error, databaseUrl);
  }
}

async function assertMigrated(databaseUrl: string, migrationsDir: string): Promise<void> {
  const { pendingTags, problems } = await readMigrationState(databaseUrl, migrationsDir);
  if (problems.length > 0) throw refusalOf(problems);
  if (pendingTags.length === 0) return;
  const message = `Migrations are pending (${pendingTags.length}): run \`npm run admin -- db migrate\`, which applies ${pendingTags.join(', ')}, or set MIGRATE_ON_BOOT=true.`;
  throw refusalOf([{ kind: 'pending', message }]);
}

function explain(error: unknown, databaseUrl: string): unknown {
  if (error instanceof MigrationError) return error;
  const sentence = explainConnectionFault(error, databaseUrl);
  if (sentence !== undefined) return new ConnectionError(sentence, { cause: error });
  if (databaseFault(error) !== 'unavailable') return error;
  return new ConnectionError('The database does not answer.', { cause: error });
}
