import type { Pool } from 'pg';

/**
 * Reads every few seconds which topics have changed, regardless of the source of the change:
 * another node, a command, or SQL by hand. It needs no NOTIFY, so it limits the age of values in a
 * node's memory on any engine and behind any pooler.
 */
export interface ChangeWatch {
  /** Starts to read, and retries if that fails. */
  start(): void;
  onChange(topic: string, handler: () => void): void;
  /**
   * Returns whether the versions are at most five seconds old. It is true if the watch was never
   * started.
   */
  isCurrent(): boolean;
  close(): Promise<void>;
}

interface WatchOptions {
  pool: Pick<Pool, 'query'>;
  /** Called whenever reading fails. */
  onFailure: (error: unknown) => void;
  /** How often the versions are read, in milliseconds. */
  everyMs?: number;
}

/** Short enough that a change is seen within five seconds, including the time of the query. */
const EVERY_MS = 4000;
const CURRENT_MS = 5000;

const READ = 'SELECT topic, version::text FROM change_versions';

/** Constructs the watch. Nothing is sent before it is started. */
export function createChangeWatch({
  pool,
  onFailure,
  everyMs = EVERY_MS,
}: WatchOptions): ChangeWatch {
  const handlers = new Map<string, (() => void)[]>();
  let versions: Map<string, string> | undefined;
  let readAt: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let reading: Promise<void> | undefined;
  let begun = false;
  let closed = false;

  async function read(): Promise<void> {
    const asked = performance.now();
    const { rows } = await pool.query<{ topic: string; version: string }>(READ);
    const now = new Map(rows.map(({ topic, version }) => [topic, version]));
    for (const [topic, list] of handlers) {
      // Before the first reading, anything may have changed.
      if (versions && versions.get(topic) === now.get(topic)) continue;
      for (const handler of list) handler();
    }
    versions = now;
    readAt = asked;
  }

  async function turn(): Promise<void> {
    await read().catch(onFailure);
    if (!closed) timer = setTimeout(next, everyMs).unref();
  }

  function next(): void {
    reading = turn();
  }

  return {
    start() {
      if (begun) return;
      begun = true;
      next();
    },
    onChange(topic, handler) {
      handlers.set(topic, [...(handlers.get(topic) ?? []), handler]);
    },
    isCurrent: () => !begun || (readAt !== undefined && performance.now() - readAt <= CURRENT_MS),
    async close() {
      closed = true;
      clearTimeout(timer);
      await reading;
    },
  };
}
