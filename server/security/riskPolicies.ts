import type { Clock } from '../context';
import { keepLoads } from '../db/keepLoads';
import type { RunStatement } from '../db/runWithin';
import type { VersionedPolicy } from './riskPolicy';
import { readPolicies } from './riskPolicyStore';

/** The policies of many tenants, kept for a minute each, with a bound on how many. */
export interface RiskPolicies {
  read(tenantId: string): Promise<VersionedPolicy>;
  /** What is in memory, without asking the database. */
  peek(tenantId: string): { value: VersionedPolicy; fresh: boolean } | undefined;
  forget(tenantId: string): void;
  forgetAll(): void;
}

const MOST_ENTRIES = 10_000;

/**
 * @param run with the deadline of the scorer
 * @param keptMs how long a policy is good for, in milliseconds
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
