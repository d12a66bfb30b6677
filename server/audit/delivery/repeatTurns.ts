import { databaseFault } from '../../db/pgErrors';
import type { Logger } from '../../logger';
import type { Metrics } from '../../metrics';

const EVERY_MS = 500;
/** On close, a turn under way may take this long to finish, and as long again after it was aborted. */
const CLOSE_MS = 3000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());

interface Repeated {
  /** The name in the log. */
  readonly sink: string;
  /** The message that is logged if a turn fails. */
  readonly complaint: string;
}

/** Repeats work every half second, until the process ends. */
export interface Turns {
  /** Aborted when the process cannot wait any longer. */
  readonly ending: AbortSignal;
  readonly stopped: () => boolean;
  /** Repeats turns of one kind, one after the other. */
  repeat(takeTurn: () => Promise<void>, about: Repeated): void;
  /** Waits a few seconds for turns under way, then releases what they used. */
  close(release: () => Promise<void>): Promise<void>;
}

/** Creates the turns of one task. @param deps `task` names the work in the metrics */
export function createTurns(deps: {
  task: string;
  logger: Logger;
  metrics: Pick<Metrics, 'backgroundFailures'>;
}): Turns {
  const ending = new AbortController();
  const state = { stopped: false };
  const settles: (() => Promise<void>)[] = [];

  function repeat(takeTurn: () => Promise<void>, { sink, complaint }: Repeated): void {
    let timer: NodeJS.Timeout | undefined;
    let turn: Promise<void> = Promise.resolve();
    let failing = false;
    async function once(): Promise<void> {
      try {
        await takeTurn();
        failing = false;
      } catch (err) {
        deps.metrics.backgroundFailures.inc({ task: deps.task });
        // Logged once, not twice a second.
        if (!failing) deps.logger.error({ err, fault: databaseFault(err), sink }, complaint);
        failing = true;
      }
      if (!state.stopped) timer = setTimeout(begin, EVERY_MS).unref();
    }
    const begin = () => void (turn = once());
    begin();
    settles.push(async () => {
      clearTimeout(timer);
      await turn;
    });
  }

  return {
    ending: ending.signal,
    stopped: () => state.stopped,
    repeat,
    async close(release) {
      state.stopped = true;
      const settled = Promise.all(settles.map((settle) => settle()));
      await Promise.race([settled, pause(CLOSE_MS)]);
      ending.abort();
      await Promise.race([settled, pause(CLOSE_MS)]);
      await Promise.race([release(), pause(CLOSE_MS)]);
    },
  };
}
