import type { RateLimits } from './limiter';

/** The part that the rate limits add. */
export interface LimitParts {
  rateLimits: RateLimits;
}
