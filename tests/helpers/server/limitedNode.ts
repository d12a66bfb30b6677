import type { ReadyConfig } from '@/server/config';
import type { RateLimitScope } from '@/server/limits/rateLimitStore';
import { openNode } from './openNode';
import type { Node } from './openNode';

/** An hour, so that no bucket is refilled while a test runs. */
export const WINDOW_SEC = 3600;

/** Returns rate limits with these quotas; the other policies are off. */
export function quotas(
  given: Partial<Record<RateLimitScope, number>>,
): Pick<ReadyConfig, 'rateLimits'> {
  const policy = (scope: RateLimitScope) => ({ quota: given[scope] ?? 0, windowSec: WINDOW_SEC });
  return {
    rateLimits: {
      address: policy('address'),
      account: policy('account'),
      tenant: policy('tenant'),
      key: policy('key'),
      events: policy('events'),
      introspect: policy('introspect'),
    },
  };
}

/** Opens a node on this file's database with these quotas. */
export const openLimitedNode = (given: Partial<Record<RateLimitScope, number>>): Node =>
  openNode((config) => ({ ...config, ...quotas(given) }));
