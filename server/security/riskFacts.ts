import type { Clock } from '../context';
import { keepLoads } from '../db/keepLoads';
import type { RunStatement } from '../db/runWithin';
import { factsKey, readRiskFacts } from './riskFactsStore';
import type { History } from './signals';

/** What is known of many staff members, kept for a minute each, with a bound on how many. */
export interface RiskFactsCache {
  read(tenantId: string, staffId: string): Promise<History>;
  /** After reuse, a forced logout or a login that taught something: the next read asks the database. */
  forget(tenantId: string, staffId: string): void;
  forgetAll(): void;
}

const MOST_ENTRIES = 10_000;

/**
 * @param run with the deadline of the scorer
 * @param keptMs how long a history is good for, in milliseconds
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
