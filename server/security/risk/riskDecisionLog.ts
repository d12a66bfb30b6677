import type { Pool } from 'pg';
import { databaseFault } from '../../db/pgErrors';
import type { Logger } from '../../logger';
import type { Metrics } from '../../metrics';
import { SECOND_MS } from '../../durations';
import { insertDecisions } from './riskDecisionStore';
import type { DecisionRow } from './riskDecisionStore';

/** Writes decisions in batches, in the background of the requests. */
export interface RiskDecisionLog {
  /** Queues a row without waiting; it is written shortly after. */
  note(row: DecisionRow): void;
  /** Queues a row and waits until it is written or given up; it never throws. */
  keep(row: DecisionRow): Promise<void>;
  /** Waits until everything queued so far is written, given up, or cannot be written now. */
  flush(): Promise<void>;
}

interface LogDeps {
  pool: Pool;
  logger: Logger;
  metrics: Metrics;
}

const GATHER_MS = 100;
const MOST_TOGETHER = 500;
/** If the database is away for longer, explanations are lost rather than memory. */
const MOST_WAITING = 10_000;
const RETRY_MS = SECOND_MS;

interface Waiting {
  row: DecisionRow;
  done: () => void;
}

const nobody = () => undefined;

/** @returns the rows to try again */
async function write(deps: LogDeps, batch: readonly Waiting[]): Promise<readonly Waiting[]> {
  const rows = batch.map(({ row }) => row);
  try {
    await insertDecisions(deps.pool, rows);
    return [];
  } catch (error) {
    const fault = databaseFault(error);
    // The rows may have been written without a confirmation. They carry their own ids, so a retry
    // writes them only once.
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
 * Creates the log. An explanation must not cost a refresh anything or break it: the decision itself
 * is in the audit log, written in the same transaction, and these rows explain it. Rows that cannot
 * be written are counted and logged.
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
      // A write in progress does not include this row; the next one does.
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
