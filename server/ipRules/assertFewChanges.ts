import type { Tx } from '../db';
import { MINUTE_SEC, SECOND_MS } from '../durations';
import { AppError } from '../errors';
import type { IpRuleDeps } from './deps';
import { MOST_RULES } from './planRules';
import { countRecentChanges } from './ruleChangeStore';

/**
 * The most rules that a tenant changes in a minute. One request can replace all rules, which deletes
 * and creates each, so it must not be less than twice their number.
 */
const MOST_CHANGES = 2 * MOST_RULES;
const POLICY = 'ip_rules';

/**
 * Refuses a change if the tenant has changed too many rules in the last minute. Each changed rule is
 * an event that nobody can delete, so a loop would fill the audit log. The events themselves are
 * counted, so all nodes share the limit. Call it while the set of the tenant is locked.
 * @param changes how many rules the change creates, changes and deletes
 * @throws AppError RATE_LIMITED
 */
export async function assertFewChanges(
  { metrics }: Pick<IpRuleDeps, 'metrics'>,
  tx: Tx,
  tenantId: string,
  changes: number,
): Promise<void> {
  const keep = Math.max(0, MOST_CHANGES - changes);
  const recent = await countRecentChanges(tx, tenantId, { windowSec: MINUTE_SEC, keep });
  if (recent.count <= keep) return;
  metrics.rateLimited.inc({ policy: POLICY });
  const seconds = Math.max(1, Math.ceil((recent.freeInMs ?? SECOND_MS) / SECOND_MS));
  throw new AppError('RATE_LIMITED', {
    detail: `A tenant changes at most ${MOST_CHANGES} IP rules in a minute. Wait for the seconds in Retry-After.`,
    headers: { 'retry-after': String(seconds) },
    extra: { violatedPolicies: [POLICY] },
  });
}
