import { databaseFault } from '../../db/pgErrors';
import type { Logger } from '../../logger';
import type { Metrics } from '../../metrics';

const EVERY_MS = 500;
/** What is under way when the process is told to stop may take so long, and then so long again to be noted. */
const CLOSE_MS = 3000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());

interface Repeated {
  /** What the log calls it. */
  readonly sink: string;
  /** What is said where a turn fails. */
  readonly complaint: string;
}

/** Work in turns, twice a second, until the process ends. */
export interface Turns {
  /** Aborted when the process cannot wait any longer. */
  readonly ending: AbortSignal;
  readonly stopped: () => boolean;
  /** Takes turns of one kind, one after the other. */
  repeat(takeTurn: () => Promise<void>, about: Repeated): void;
  /** Lets what is under way finish within seconds, then releases what it used. */
  close(release: () => Promise<void>): Promise<void>;
}

/** @param deps `task` names the work in the metrics */
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
        // Said once, not twice a second.
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
