import type { Clocks } from './guardContract';
import { ServiceKeyRefused } from './unavailable';

/** The parts that may fail by themselves. */
type Source = 'changes' | 'questions';

interface OutageOptions {
  clocks: Pick<Clocks, 'monotonic'>;
  /** A failure that is over sooner is none that people should look at, such as a restart. */
  afterMs: number;
  onProblem: (problem: Error) => void;
}

/** Returns what a failed connection says: `fetch` hides the reason in the cause. */
export function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error && cause.message !== '' ? cause.message : message;
}

/** Reports once in each outage that Gatehouse cannot be reached. */
export function createOutages({ clocks, afterMs, onProblem }: OutageOptions) {
  const failing = new Map<Source, number>();
  let reported = false;
  return {
    /** Notes a failure. A refused service key is reported at each try. */
    failed(source: Source, error: unknown): void {
      if (error instanceof ServiceKeyRefused) return onProblem(error);
      const now = clocks.monotonic();
      const since = failing.get(source) ?? now;
      failing.set(source, since);
      if (reported || now - since < afterMs) return;
      reported = true;
      const seconds = ((now - since) / 1000).toFixed(1);
      const problem = `Gatehouse could not be reached for ${seconds} s: ${reasonOf(error)}`;
      onProblem(new Error(problem, { cause: error }));
    },
    /** Notes an answer. */
    worked(source: Source): void {
      if (failing.delete(source) && failing.size === 0) reported = false;
    },
  };
}

export type Outages = ReturnType<typeof createOutages>;
