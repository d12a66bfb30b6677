/**
 * Lets concurrent look-ups share one query: those of one turn of the event loop, and those that come while
 * queries are under way. They go together in the next one, never in one under way, whose snapshot may be
 * older than they are.
 * @param load loads many keys at once; a key that it does not return is undefined
 * @param mostInFlight how many queries may be under way at once
 */
export function batchLoads<Value>(
  load: (keys: string[]) => Promise<Map<string, Value>>,
  mostInFlight = 2,
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
    // After the sockets that are readable now have been read: what they ask for goes along.
    setImmediate(() => {
      scheduled = false;
      void send();
    });
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
