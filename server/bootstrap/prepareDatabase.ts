import type { ReadyConfig } from '../config';
import { databaseFault } from '../db/pgErrors';
import { migrate, MigrationError, readMigrationState } from './migrate';

/**
 * Brings the database to the state that this release needs, or says why it may not run on it.
 * @returns how many migrations were applied
 * @throws MigrationError with plain sentences
 */
export async function prepareDatabase(
  config: Pick<ReadyConfig, 'databaseUrl' | 'migrationsDir' | 'migrateOnBoot'>,
): Promise<number> {
  const { databaseUrl, migrationsDir, migrateOnBoot } = config;
  try {
    if (migrateOnBoot) return await migrate(databaseUrl, migrationsDir);
    const state = await readMigrationState(databaseUrl, migrationsDir);
    if (state.problems.length > 0) throw new MigrationError(state.problems.join('\n'));
    if (state.pending > 0) {
      throw new MigrationError(
        `Migrations are pending (${state.pending}): run \`npm run admin -- db migrate\`, or set MIGRATE_ON_BOOT=true.`,
      );
    }
    return 0;
  } catch (error) {
    throw explain(error, databaseUrl);
  }
}

/** Names the database without the password that stands in its URL. */
function explain(error: unknown, databaseUrl: string): unknown {
  if (databaseFault(error) !== 'unavailable') return error;
  const { hostname, port, pathname } = new URL(databaseUrl);
  const where = `${hostname}:${port || '5432'}${pathname}`;
  return new MigrationError(`The database at ${where} cannot be reached.`, { cause: error });
}
