import type { Pool } from 'pg';
import type { Clock } from '../context';
import { keepLoads } from '../db/keepLoads';
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
 * @param pool with a statement timeout of the scorer's own
 * @param keptMs how long a policy is good for, in milliseconds
 */
export const createRiskPolicies = (pool: Pool, clock: Clock, keptMs: () => number): RiskPolicies =>
  keepLoads<VersionedPolicy>({
    load: (tenantIds) => readPolicies(pool, tenantIds),
    clock,
    keptMs,
    mostEntries: MOST_ENTRIES,
  });
