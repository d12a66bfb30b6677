import type { Clock } from '../../context';
import { keepLoads } from '../../db/keepLoads';
import type { RunStatement } from '../../db/runWithin';
import { factsKey, readRiskFacts } from './riskFactsStore';
import type { History } from './signals';

/** Caches the risk history of staff members for a short time, with a limit on their number. */
export interface RiskFactsCache {
  read(tenantId: string, staffId: string): Promise<History>;
  /**
   * Drops an entry, so that the next read asks the database: after token reuse, a forced logout, or
   * a login that taught something.
   */
  forget(tenantId: string, staffId: string): void;
  forgetAll(): void;
}

const MOST_ENTRIES = 10_000;

/**
 * Creates the cache.
 * @param run runs a statement with the scorer's deadline
 * @param keptMs how long a history may be used, in milliseconds
 */
export function createRiskFactsCache(
  run: RunStatement,
  clock: Clock,
  keptMs: () => number,
): RiskFactsCache {
  const kept = keepLoads<History>({
    load: (keys) => readRiskFacts(run, keys),
    clock,
    keptMs,
    mostEntries: MOST_ENTRIES,
  });
  return {
    read: (tenantId, staffId) => kept.read(factsKey(tenantId, staffId)),
    forget: (tenantId, staffId) => kept.forget(factsKey(tenantId, staffId)),
    forgetAll: () => kept.forgetAll(),
  };
}
