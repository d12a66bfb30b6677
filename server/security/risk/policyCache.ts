import type { Clock } from '../../context';
import { batchLoads } from '../../db/batchLoads';
import { keepLoads } from '../../db/keepLoads';
import type { RunStatement } from '../../db/runWithin';
import type { VersionedPolicy } from './riskPolicy';
import { readPolicies } from './riskPolicyStore';

/** Caches the policies of tenants for a short time, with a limit on their number. */
export interface RiskPolicies {
  read(tenantId: string): Promise<VersionedPolicy>;
  /**
   * Reads a policy from the database, for an answer that others keep until a change is reported.
   * @throws the driver's error, or an error for a tenant whose row is invalid
   */
  readNow(tenantId: string): Promise<VersionedPolicy>;
  /** Returns the cached policy without asking the database. */
  peek(tenantId: string): { value: VersionedPolicy; fresh: boolean } | undefined;
  forget(tenantId: string): void;
  forgetAll(): void;
}

const MOST_ENTRIES = 10_000;

/**
 * Creates the cache.
 * @param run runs a statement with the scorer's deadline
 * @param runNow runs a statement that is not part of a score
 * @param keptMs how long a policy may be used, in milliseconds
 */
export function createRiskPolicies(
  run: RunStatement,
  runNow: RunStatement,
  clock: Clock,
  keptMs: () => number,
): RiskPolicies {
  const loadNow = batchLoads((tenantIds) => readPolicies(runNow, tenantIds));
  return {
    ...keepLoads<VersionedPolicy>({
      load: (tenantIds) => readPolicies(run, tenantIds),
      clock,
      keptMs,
      mostEntries: MOST_ENTRIES,
    }),
    async readNow(tenantId) {
      const policy = await loadNow(tenantId);
      if (!policy) throw new Error(`the policy of tenant ${tenantId} is not valid`);
      return policy;
    },
  };
}
