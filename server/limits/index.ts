export { countRequest, isAtLimit } from './countRequest';
export type { LimitParts } from './deps';
export { openRateLimits } from './openRateLimits';
export { purgeRateLimits } from './rateLimitStore';
