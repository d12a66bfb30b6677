import { databaseFault } from '../db/pgErrors';
import type { Kernel } from '../kernel';
import { createLogOnce } from '../logOnce';
import { attemptSubject, createBreaker } from '../security';
import { takeTokens } from './rateLimitStore';
import { createRateLimits } from './limiter';
import type { RateLimits } from './limiter';

/** About 20 MB at most. */
const MOST_LEASES = 50_000;

type LimitDeps = Pick<Kernel, 'config' | 'pool' | 'keys' | 'clock' | 'logger' | 'metrics'>;

/**
 * Creates the rate limits of this node on the database that all nodes share.
 * @param deps with a pool that other requests cannot use up
 */
export function openRateLimits({
  config,
  pool,
  keys,
  clock,
  logger,
  metrics,
}: LimitDeps): RateLimits {
  const log = createLogOnce();
  return createRateLimits({
    policies: config.rateLimits,
    takeTokens: async (asked) => {
      const granted = await takeTokens(pool, asked);
      if (log.recovered()) logger.info('the rate limits are applied again');
      return granted;
    },
    hash: (scope, subject) => attemptSubject(keys, `rate-limit-${scope}`, subject),
    breaker: createBreaker(clock),
    onFailure(err) {
      const fault = databaseFault(err) ?? 'other';
      const what = 'the rate limits cannot be read: requests are let through';
      log.failed(fault, () => logger.warn({ err, fault, code: 'RATE_LIMITS_SKIPPED' }, what));
    },
    onSkipped: () => metrics.rateLimitsSkipped.inc(),
    elapsedMs: () => performance.now(),
    mostLeases: MOST_LEASES,
  });
}
