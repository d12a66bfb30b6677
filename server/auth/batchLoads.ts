/**
 * Lets concurrent look-ups share one query. While one is under way, new ones gather and go together in
 * the next: never in the one under way, whose snapshot may be older than they are.
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
      if (gathering.size > 0) void send();
    }
  }

  return (key) =>
    new Promise((resolve, reject) => {
      const waiters = gathering.get(key);
      if (waiters) waiters.push({ resolve, reject });
      else gathering.set(key, [{ resolve, reject }]);
      if (inFlight < mostInFlight) void send();
    });
}
