import { SECOND_MS } from '../durations';

/**
 * Builds the header with the seconds after which the same request can succeed. It is rounded up, so
 * that a client that waits exactly this long is not too early.
 */
export const retryAfter = (now: Date, freeAt: Date): { 'retry-after': string } => ({
  'retry-after': String(Math.max(1, Math.ceil((freeAt.getTime() - now.getTime()) / SECOND_MS))),
});
