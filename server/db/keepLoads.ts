import { batchLoads } from './batchLoads';

/** A bounded cache of values that were loaded recently, by key. */
export interface KeptLoads<Value> {
  /** @throws the error of loading, or an error if there is nothing under the key */
  read(key: string): Promise<Value>;
  /**
   * Returns the value in memory, without asking the database; `fresh` is whether a read would
   * return it.
   */
  peek(key: string): { value: Value; fresh: boolean } | undefined;
  /** Drops a value, so that the next read asks the database. */
  forget(key: string): void;
  forgetAll(): void;
}

interface KeepOptions<Value> {
  load: (keys: string[]) => Promise<Map<string, Value>>;
  clock: { now(): Date };
  /** How long a value stays valid, in milliseconds. */
  keptMs: () => number;
  mostEntries: number;
}

/** Shares concurrent look-ups, and caches their results for a while. */
export function keepLoads<Value>(options: KeepOptions<Value>): KeptLoads<Value> {
  const load = batchLoads(options.load);
  const entries = new Map<string, { value: Value; since: number }>();
  // A read that began before a value was dropped must not be cached, because it may hold the old
  // value.
  let forgets = 0;

  return {
    async read(key) {
      const now = options.clock.now().getTime();
      const kept = entries.get(key);
      if (kept && now - kept.since < options.keptMs()) return kept.value;
      const forgetsBefore = forgets;
      const value = await load(key);
      if (value === undefined) throw new Error('the database gave nothing to keep');
      if (forgets === forgetsBefore) {
        entries.delete(key);
        if (entries.size >= options.mostEntries) entries.delete(entries.keys().next().value ?? '');
        entries.set(key, { value, since: now });
      }
      return value;
    },
    peek(key) {
      const kept = entries.get(key);
      if (!kept) return undefined;
      const age = options.clock.now().getTime() - kept.since;
      return { value: kept.value, fresh: age < options.keptMs() };
    },
    forget(key) {
      forgets += 1;
      entries.delete(key);
    },
    forgetAll() {
      forgets += 1;
      entries.clear();
    },
  };
}
