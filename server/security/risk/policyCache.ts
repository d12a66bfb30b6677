import type { Clock } from '../../context';
import { keepLoads } from '../../db/keepLoads';
import type { RunStatement } from '../../db/runWithin';
import type { VersionedPolicy } from './riskPolicy';
import { readPolicies } from './riskPolicyStore';

/** Caches the policies of tenants for a short time, with a limit on their number. */
export interface RiskPolicies {
  read(tenantId: string): Promise<VersionedPolicy>;
  /** Returns the cached policy without asking the database. */
  peek(tenantId: string): { value: VersionedPolicy; fresh: boolean } | undefined;
  forget(tenantId: string): void;
  forgetAll(): void;
}

const MOST_ENTRIES = 10_000;

/**
 * Creates the cache.
 * @param run runs a statement with the scorer's deadline
 * @param keptMs how long a policy may be used, in milliseconds
 */
export const createRiskPolicies = (
  run: RunStatement,
  clock: Clock,
  keptMs: () => number,
): RiskPolicies =>
  keepLoads<VersionedPolicy>({
    load: (tenantIds) => readPolicies(run, tenantIds),
    clock,
    keptMs,
    mostEntries: MOST_ENTRIES,
  });
