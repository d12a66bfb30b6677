import { setTimeout as delay } from 'node:timers/promises';
import { createCatchUps } from './catchUps';
import type { Once } from './catchUps';
import type { Asked, Reading, StoredChange } from './changeStore';

/** The result of one turn of the reader. */
export interface Turn {
  /** When the reading began, by this node's monotonic clock, in milliseconds; undefined if it failed. */
  readonly beganAt: number | undefined;
  /** The last reading that succeeded. */
  readonly reading: Reading;
  /** The changes that were not visible before; empty if the reading failed. */
  readonly changes: readonly StoredChange[];
  /** The database has another history than before, or changes since then are purged. */
  readonly newEpoch: boolean;
}

/** Reads the changes of this node's database while somebody listens. */
export interface ChangeReader {
  /**
   * Calls a listener with each turn from now on.
   * @returns a function that stops it
   */
  listen(listener: (turn: Turn) => void): () => void;
  /**
   * Reads once, apart from the turns. Every change that is not visible to it will be in a turn that
   * the listeners of this moment get.
   * @throws the driver's error; {@link ReaderClosed} if the reader was closed, or nobody listens
   */
  readOnce(asked: Asked): Promise<Once>;
  close(): Promise<void>;
}

/** The reader was closed because the node stops, or nobody listens any more. */
export class ReaderClosed extends Error {}

interface ReaderOptions {
  read: (asked: Asked) => Promise<Reading>;
  /** Called with each turn, for metrics; the reading is undefined if the turn failed. */
  onTurn: (reading: Reading | undefined, changes: readonly StoredChange[]) => void;
  /** Called for each failed turn. */
  onFailure: (error: unknown) => void;
  /** The pause between two turns, in milliseconds. */
  everyMs: number;
  /** The pause after a turn that failed, in milliseconds. */
  afterFailureMs: number;
}

/**
 * Returns whether a reading does not continue an earlier one. Transaction ids of another history cannot
 * be compared, and a node that was stopped for long may have missed changes that are purged.
 */
const isCutOff = (before: Reading, reading: Reading): boolean =>
  before.epoch !== reading.epoch || BigInt(before.xmin) < BigInt(reading.purgedBelow);

/** Builds the reader. It sends nothing before somebody listens. */
export function createChangeReader(options: ReaderOptions): ChangeReader {
  const listeners = new Set<(turn: Turn) => void>();
  const closing = new AbortController();
  const catchUp = createCatchUps(options.read);
  let last: Reading | undefined;
  let running: Promise<void> | undefined;
  /** Those who wait for the first reading. */
  const waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];
  let closed = false;

  /**
   * A listener that fails has missed changes, so it gets nothing any more: its guard hears the silence
   * and continues at its cursor. The others get every change.
   */
  function tell(turn: Turn): void {
    for (const listener of listeners) {
      try {
        listener(turn);
      } catch (error) {
        listeners.delete(listener);
        options.onFailure(error);
      }
    }
  }

  async function takeTurn(): Promise<void> {
    const before = last;
    const beganAt = performance.now();
    const reading = await options.read({ unseenIn: before?.snapshot });
    const newEpoch = before !== undefined && isCutOff(before, reading);
    const changes = newEpoch ? [] : reading.changes;
    last = reading;
    options.onTurn(reading, changes);
    for (const { resolve } of waiting.splice(0)) resolve();
    tell({ beganAt, reading, changes, newEpoch });
  }

  async function run(): Promise<void> {
    while (listeners.size > 0 && !closed) {
      let pauseMs = options.everyMs;
      try {
        await takeTurn();
      } catch (error) {
        options.onFailure(error);
        options.onTurn(undefined, []);
        for (const { reject } of waiting.splice(0)) reject(error);
        if (last) tell({ beganAt: undefined, reading: last, changes: [], newEpoch: false });
        pauseMs = options.afterFailureMs;
      }
      await delay(pauseMs, undefined, { signal: closing.signal }).catch(() => undefined);
    }
    // The next listener begins with a snapshot of its own time.
    last = undefined;
    running = undefined;
    options.onTurn(undefined, []);
    for (const { resolve } of waiting.splice(0)) resolve();
  }

  /** Waits until the turns compare with a reading, so that none of their changes is left out. */
  async function established(): Promise<void> {
    while (last === undefined) {
      if (closed || listeners.size === 0) throw new ReaderClosed();
      await new Promise<void>((resolve, reject) => waiting.push({ resolve, reject }));
    }
  }

  return {
    listen(listener) {
      listeners.add(listener);
      if (!closed) running ??= run();
      return () => void listeners.delete(listener);
    },
    async readOnce(asked) {
      await established();
      return catchUp(asked);
    },
    async close() {
      closed = true;
      closing.abort();
      for (const { resolve } of waiting.splice(0)) resolve();
      await running;
    },
  };
}
