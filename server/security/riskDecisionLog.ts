import type { Pool } from 'pg';
import { databaseFault } from '../db/pgErrors';
import type { Logger } from '../logger';
import type { Metrics } from '../metrics';
import { insertDecisions } from './riskDecisionStore';
import type { DecisionRow } from './riskDecisionStore';

/** Writes decisions down, many together and beside the requests they belong to. */
export interface RiskDecisionLog {
  /** Nobody waits: it is written within a moment. */
  note(row: DecisionRow): void;
  /** The same, and waits until it is written or given up; it cannot fail. */
  keep(row: DecisionRow): Promise<void>;
  /** Waits until all that was noted so far is written, given up, or cannot be written now. */
  flush(): Promise<void>;
}

interface LogDeps {
  pool: Pool;
  logger: Logger;
  metrics: Metrics;
}

const GATHER_MS = 100;
const MOST_TOGETHER = 500;
/** A database that is away for longer loses explanations, never memory. */
const MOST_WAITING = 10_000;
const RETRY_MS = 1000;

interface Waiting {
  row: DecisionRow;
  done: () => void;
}

const nobody = () => undefined;

/** @returns those that are to be tried again */
async function write(deps: LogDeps, batch: readonly Waiting[]): Promise<readonly Waiting[]> {
  const rows = batch.map(({ row }) => row);
  try {
    await insertDecisions(deps.pool, rows);
    return [];
  } catch (error) {
    const fault = databaseFault(error);
    // Written and not confirmed is possible too: the rows bring their ids, and are written once.
    if (fault === 'unavailable' || fault === 'conflict') return batch;
    giveUp(deps, rows.length, error);
    return [];
  } finally {
    // Answers do not wait for a database that is away.
    for (const { done } of batch) done();
  }
}

function giveUp(deps: LogDeps, lost: number, err?: unknown): void {
  deps.metrics.riskDecisionsLost.inc(lost);
  const fault = databaseFault(err);
  deps.logger.error({ err, fault, lost }, 'risk decisions could not be written');
}

/**
 * An explanation must cost a refresh nothing and may break none: what was decided stands in the audit log, in the
 * same transaction; this says why. What cannot be written is counted and logged.
 */
export function createRiskDecisionLog(deps: LogDeps): RiskDecisionLog {
  let waiting: Waiting[] = [];
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;

  async function writeSome(): Promise<void> {
    const batch = waiting.slice(0, MOST_TOGETHER);
    waiting = waiting.slice(MOST_TOGETHER);
    const again = await write(deps, batch);
    waiting = [...again, ...waiting];
    writing = undefined;
    if (waiting.length > 0) schedule(again.length > 0 ? RETRY_MS : 0);
  }

  function run(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    writing ??= writeSome();
    return writing;
  }

  function schedule(ms: number): void {
    timer ??= setTimeout(() => void run(), ms).unref();
  }

  function add(row: DecisionRow, done: () => void): boolean {
    const room = waiting.length < MOST_WAITING;
    if (room) waiting.push({ row, done });
    else {
      giveUp(deps, 1);
      done();
    }
    return room;
  }

  return {
    note(row) {
      if (add(row, nobody)) schedule(GATHER_MS);
    },
    async keep(row) {
      const written = new Promise<void>((resolve) => void add(row, resolve));
      // One that is under way does not hold this row; the next does.
      void (writing ?? Promise.resolve()).then(run);
      await written;
    },
    async flush() {
      await writing;
      for (let before = Infinity; waiting.length > 0 && waiting.length < before;) {
        before = waiting.length;
        await run();
      }
    },
  };
}
