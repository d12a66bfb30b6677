import { Unavailable } from './unavailable';

/**
 * Whether a question is about somebody whom Gatehouse has signed in. Anybody can make up keys that
 * look real, so questions about unknown ones wait apart.
 */
export type Lane = 'known' | 'unknown';

const AT_ONCE = 64;
/** Of the questions at once, so that a flood of made-up keys leaves the others to known callers. */
const UNKNOWN_AT_ONCE = 16;
const MOST_WAITING = { known: 1000, unknown: 200 };

/** Lets a limited number of questions run at a time, so that a flood does not reach Gatehouse. */
export function createTurns() {
  const waiting = { known: new Set<() => void>(), unknown: new Set<() => void>() };
  let running = 0;
  let unknownRunning = 0;

  const isFree = (lane: Lane) =>
    running < AT_ONCE && (lane === 'known' || unknownRunning < UNKNOWN_AT_ONCE);

  function begin(lane: Lane): void {
    running += 1;
    if (lane === 'unknown') unknownRunning += 1;
  }
  function end(lane: Lane): void {
    running -= 1;
    if (lane === 'unknown') unknownRunning -= 1;
    for (const next of ['known', 'unknown'] as const) {
      const [start] = waiting[next];
      if (!start || !isFree(next)) continue;
      waiting[next].delete(start);
      begin(next);
      start();
      return;
    }
  }
  function wait(lane: Lane, signal: AbortSignal): Promise<void> {
    const line = waiting[lane];
    if (line.size >= MOST_WAITING[lane]) throw new Unavailable('too many questions are waiting');
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        line.delete(start);
        reject(new Unavailable('too many questions were waiting'));
      };
      const start = () => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      signal.addEventListener('abort', giveUp);
      line.add(start);
    });
  }

  /**
   * Does some work when it is its turn: known callers first, in the order of their questions.
   * @throws Unavailable if too many wait, or the signal is aborted before its turn
   */
  return async function inTurn<T>(
    lane: Lane,
    signal: AbortSignal,
    work: () => Promise<T>,
  ): Promise<T> {
    if (isFree(lane)) begin(lane);
    else await wait(lane, signal);
    try {
      return await work();
    } finally {
      end(lane);
    }
  };
}
