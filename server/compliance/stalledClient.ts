import type { Writable } from 'node:stream';
import { MINUTE_MS } from '../durations';

/**
 * Long enough for a slow connection, but short enough that a reader who takes nothing does not hold back VACUUM for
 * long.
 */
const STALL_LIMIT_MS = 2 * MINUTE_MS;

/**
 * Destroys an output whose reader has taken nothing for so long that it must be gone. Behind it waits a snapshot,
 * which keeps old rows alive, and one of the few places for exports.
 * @param limitMs milliseconds without progress while data is waiting to be taken
 */
export function destroyWhenStalled(output: Writable, limitMs = STALL_LIMIT_MS): void {
  const CHECKS = 4;
  let waiting = 0;
  const timer = setInterval(() => {
    waiting = output.writableNeedDrain ? waiting + 1 : 0;
    if (waiting > CHECKS) output.destroy();
  }, limitMs / CHECKS);
  timer.unref();
  output.on('drain', () => {
    waiting = 0;
  });
  output.once('close', () => clearInterval(timer));
}
