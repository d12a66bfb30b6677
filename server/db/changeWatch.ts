import type { Pool } from 'pg';

/**
 * Reads every few seconds which topics have changed, whoever changed them: another node, a command, or SQL by hand. It needs
 * no NOTIFY, so that what a node keeps in memory is bounded on any engine and behind any pooler.
 */
export interface ChangeWatch {
  /** Begins to read, and goes on trying if it cannot. */
  start(): void;
  onChange(topic: string, handler: () => void): void;
  /** Whether the versions are at most five seconds old. True if it was never begun. */
  isCurrent(): boolean;
  close(): Promise<void>;
}

interface WatchOptions {
  pool: Pick<Pool, 'query'>;
  /** Told whenever reading fails. */
  onFailure: (error: unknown) => void;
  /** How often the versions are read, in milliseconds. */
  everyMs?: number;
}

/** So that a change is seen within five seconds, the time of the query included. */
const EVERY_MS = 4000;
const CURRENT_MS = 5000;

const READ = 'SELECT topic, version::text FROM change_versions';

/** Constructs the watch; nothing is sent before it is started. */
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
      // Before the first look anything may have changed.
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
