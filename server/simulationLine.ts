import { SECOND_MS } from './durations';
import { AppError } from './errors';

/** The line of the simulations of a node. One runs at a time; the others wait. */
export interface SimulationLine {
  /**
   * Runs a simulation when it is its turn.
   * @throws AppError SIMULATION_BUSY with Retry-After if another one of the tenant waits already, if
   * the line is full, or if the turn does not come in time; the work has not begun then
   */
  run<T>(tenantId: string, work: () => Promise<T>): Promise<T>;
}

/** The limits of a line. */
export interface LineLimits {
  mostWaiting: number;
  mostWaitMs: number;
}

interface Waiting {
  readonly tenantId: string;
  start: () => void;
}

const LIMITS: LineLimits = { mostWaiting: 10, mostWaitMs: 10 * SECOND_MS };
/** Assumed duration of a simulation until one has been measured. */
const FIRST_GUESS_MS = SECOND_MS;

/**
 * Creates the line. A simulation reads a month of a tenant and keeps a processor busy, so several at
 * once would slow down every other request. Each tenant has one place in the line, and the line is in
 * the order of arrival: a tenant that asks in a loop lets all others go first.
 */
export function createSimulationLine(limits: LineLimits = LIMITS): SimulationLine {
  const waiting: Waiting[] = [];
  let running = false;
  let lastTookMs = FIRST_GUESS_MS;

  function busy(): AppError {
    const seconds = Math.ceil(((waiting.length + 1) * lastTookMs) / SECOND_MS);
    return new AppError('SIMULATION_BUSY', {
      headers: { 'retry-after': String(Math.min(60, Math.max(1, seconds))) },
    });
  }

  function waitForTurn(tenantId: string): Promise<void> {
    const isFull = waiting.length >= limits.mostWaiting;
    if (isFull || waiting.some((one) => one.tenantId === tenantId)) throw busy();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.splice(waiting.indexOf(one), 1);
        reject(busy());
      }, limits.mostWaitMs);
      const one: Waiting = {
        tenantId,
        start() {
          clearTimeout(timer);
          resolve();
        },
      };
      waiting.push(one);
    });
  }

  /** Gives the turn to the next one directly, so that no newcomer slips in between. */
  function hand(): void {
    const next = waiting.shift();
    if (next) next.start();
    else running = false;
  }

  return {
    async run(tenantId, work) {
      if (running) await waitForTurn(tenantId);
      running = true;
      const begun = performance.now();
      try {
        return await work();
      } finally {
        lastTookMs = performance.now() - begun;
        hand();
      }
    },
  };
}
