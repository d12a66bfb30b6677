interface BatchOptions {
  /** How many queries may run at the same time. */
  mostInFlight?: number;
  /** How long the first look-up of a query waits for others, instead of one turn of the event loop. */
  gatherMs?: number;
}

/**
 * Lets concurrent look-ups share one query: those of one turn of the event loop, and those that
 * come while the allowed number of queries runs. A look-up never joins a query that already runs,
 * because the snapshot of that query may be older than the look-up.
 * @param load loads many keys at once; a key that it does not return is undefined
 */
export function batchLoads<Value>(
  load: (keys: string[]) => Promise<Map<string, Value>>,
  { mostInFlight = 2, gatherMs }: BatchOptions = {},
): (key: string) => Promise<Value | undefined> {
  interface Waiter {
    resolve: (value: Value | undefined) => void;
    reject: (error: unknown) => void;
  }
  let gathering = new Map<string, Waiter[]>();
  let inFlight = 0;
  let scheduled = false;

  function schedule(): void {
    if (scheduled || inFlight >= mostInFlight || gathering.size === 0) return;
    scheduled = true;
    const start = () => {
      scheduled = false;
      void send();
    };
    // At the end of a turn all sockets that are readable now have been read, so their look-ups join
    // this query.
    if (gatherMs === undefined) setImmediate(start);
    else setTimeout(start, gatherMs);
  }

  async function send(): Promise<void> {
    const batch = gathering;
    gathering = new Map();
    inFlight += 1;
    try {
      const found = await load([...batch.keys()]);
      for (const [key, waiters] of batch) {
        for (const waiter of waiters) waiter.resolve(found.get(key));
      }
    } catch (error) {
      for (const waiters of batch.values()) for (const waiter of waiters) waiter.reject(error);
    } finally {
      inFlight -= 1;
      schedule();
    }
  }

  return (key) =>
    new Promise((resolve, reject) => {
      const waiters = gathering.get(key);
      if (waiters) waiters.push({ resolve, reject });
      else gathering.set(key, [{ resolve, reject }]);
      schedule();
    });
}
