import { databaseFault } from './db/pgErrors';
import type { DatabaseFault } from './db/pgErrors';
import { createLogOnce } from './logOnce';
import type { Metrics } from './metrics';

/** Work in progress, so that a caller can wait for it. */
export interface UnderWay {
  size(): number;
  /**
   * Counts the work until it ends.
   * @param work must not reject
   * @param ended called as soon as the work no longer counts
   */
  add(work: Promise<void>, ended?: () => void): void;
  /** Waits until nothing is in progress. */
  settle(): Promise<void>;
}

/** Creates an empty set of work in progress. */
export function createUnderWay(): UnderWay {
  const running = new Set<Promise<void>>();
  return {
    size: () => running.size,
    add(work, ended) {
      const counted = work.finally(() => {
        running.delete(counted);
        ended?.();
      });
      running.add(counted);
    },
    async settle() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

/** Passed to each turn. */
export interface Turn {
  /** Aborted when the process cannot wait any longer. */
  readonly ending: AbortSignal;
  readonly stopped: () => boolean;
  /** Work that goes on after the turn; a stop waits for it too. */
  readonly beside: UnderWay;
}

/** Repeats one piece of background work. This process never takes two turns at once. */
export interface Turns {
  /** Takes a turn now, and again some time after each turn, until the turns are stopped. */
  readonly start: () => void;
  /** Takes a turn now. If one is under way, another one follows it. Never throws. */
  readonly wake: () => void;
  /** Waits until nothing is in progress. */
  settle(): Promise<void>;
  /**
   * Takes no further turn, and waits until nothing is in progress.
   * @param graceMs after how many milliseconds `ending` is aborted; without it, never
   */
  stop(graceMs?: number): Promise<void>;
}

export interface TurnsOptions {
  /** The name of the work in the metrics. */
  readonly task: string;
  /** The time between the end of a turn and the next one, in milliseconds. */
  readonly everyMs: number;
  readonly metrics: Pick<Metrics, 'backgroundFailures'>;
  /** Logs that a turn failed. It is called for the first failure in a row, not for each. */
  readonly logFailure: (line: { err: unknown; fault: DatabaseFault | undefined }) => void;
}

/**
 * Creates the turns; none is taken before they are started or woken.
 * @param takeTurn does the work of one turn; if it throws, that is logged and counted in a metric
 */
export function createTurns(options: TurnsOptions, takeTurn: (turn: Turn) => Promise<void>): Turns {
  const ending = new AbortController();
  const beside = createUnderWay();
  const logOnce = createLogOnce();
  const state = { started: false, stopped: false, again: false };
  let timer: NodeJS.Timeout | undefined;
  let current: Promise<void> | undefined;

  async function once(): Promise<void> {
    try {
      await takeTurn({ ending: ending.signal, stopped: () => state.stopped, beside });
      logOnce.recovered();
    } catch (err) {
      options.metrics.backgroundFailures.inc({ task: options.task });
      logOnce.failed('turn', () => options.logFailure({ err, fault: databaseFault(err) }));
    }
  }

  function wake(): void {
    if (state.stopped) return;
    state.again = current !== undefined;
    if (current) return;
    clearTimeout(timer);
    current = once().finally(() => {
      current = undefined;
      // That wake may have come too late for this turn.
      if (state.again) wake();
      else if (state.started && !state.stopped) timer = setTimeout(wake, options.everyMs).unref();
    });
  }

  async function settle(): Promise<void> {
    while (current || beside.size() > 0) await Promise.all([current, beside.settle()]);
  }

  return {
    start() {
      if (state.started) return;
      state.started = true;
      wake();
    },
    wake,
    settle,
    async stop(graceMs) {
      state.stopped = true;
      clearTimeout(timer);
      const abort = () => ending.abort();
      const overdue = graceMs === undefined ? undefined : setTimeout(abort, graceMs);
      await settle();
      clearTimeout(overdue);
    },
  };
}
