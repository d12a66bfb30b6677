import type { ReadyConfig } from '../config';
import { findRoute } from '../db/databaseRoute';
import type { DatabaseRoute } from '../db/databaseRoute';
import type { Logger } from '../logger';

const SENTENCES: Readonly<Record<Exclude<DatabaseRoute['mode'], 'none'>, string>> = {
  session:
    'a pooler in session mode is in front of the database: limits are set in each new session',
  transaction:
    'a pooler in transaction mode is in front of the database: limits are set in each transaction, prepared statements are not used, and changes made on other nodes are found by polling',
};

/**
 * Finds out whether a pooler is in front of the database, and logs it.
 * @throws PoolerError if the pooler cannot serve; otherwise the driver's error
 */
export async function nameRoute(
  { databaseUrl }: Pick<ReadyConfig, 'databaseUrl'>,
  logger: Logger,
): Promise<void> {
  const { mode, limitMs } = await findRoute(databaseUrl);
  if (mode === 'none') return;
  const bounded = mode === 'transaction' ? { sessionsLimitMs: limitMs } : {};
  logger.info({ code: 'DATABASE_POOLER', mode, ...bounded }, SENTENCES[mode]);
}
