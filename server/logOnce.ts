/** Logs a failure that repeats only once, so that it does not fill the log. */
export interface LogOnce {
  /** Calls `log`, unless the last failure had the same reason and nothing has succeeded since. */
  failed(reason: string, log: () => void): void;
  /** Ends a failure. @returns whether there was one */
  recovered(): boolean;
}

/** Creates the memory of one kind of work that may fail. */
export function createLogOnce(): LogOnce {
  let last: string | undefined;
  return {
    failed(reason, log) {
      if (reason !== last) log();
      last = reason;
    },
    recovered() {
      const failing = last !== undefined;
      last = undefined;
      return failing;
    },
  };
}
