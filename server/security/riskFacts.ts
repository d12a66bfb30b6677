import type { Pool } from 'pg';
import type { Clock } from '../context';
import { batchLoads } from '../db/batchLoads';
import { factsKey, readRiskFacts } from './riskFactsStore';
import type { RiskFacts } from './riskFactsStore';

/** The facts of many staff members, kept for a minute each, with a bound on how many. */
export interface RiskFactsCache {
  read(tenantId: string, staffId: string): Promise<RiskFacts>;
  /** After reuse, a forced logout or a login that taught something: the next read asks the database. */
  forget(staffId: string): void;
}

const KEPT_MS = 60_000;
const MOST_ENTRIES = 10_000;

export function createRiskFactsCache(pool: Pool, clock: Clock): RiskFactsCache {
  const load = batchLoads((keys) => readRiskFacts(pool, keys));
  const entries = new Map<string, { facts: RiskFacts; until: number }>();
  // A read that began before any forget() is not kept: it may hold what was to be forgotten.
  let forgets = 0;

  return {
    async read(tenantId, staffId) {
      const now = clock.now().getTime();
      const kept = entries.get(staffId);
      if (kept && kept.until > now) return kept.facts;
      const forgetsBefore = forgets;
      const facts = await load(factsKey(tenantId, staffId));
      if (!facts) throw new Error('the database gave no facts');
      if (forgets === forgetsBefore) {
        if (entries.size >= MOST_ENTRIES) entries.delete(entries.keys().next().value ?? '');
        entries.set(staffId, { facts, until: now + KEPT_MS });
      }
      return facts;
    },
    forget(staffId) {
      forgets += 1;
      entries.delete(staffId);
    },
  };
}
