/**
 * The header that says after how many seconds the same request can succeed. It is rounded up: a client that waits as long
 * as it says is never too early.
 */
export const retryAfter = (now: Date, freeAt: Date): { 'retry-after': string } => ({
  'retry-after': String(Math.max(1, Math.ceil((freeAt.getTime() - now.getTime()) / 1000))),
});
