import type { Pool } from 'pg';
import { databaseFault, isDiskFull, isStatementTimeout } from '../db/pgErrors';
import { SECOND_MS } from '../durations';

export interface WriteProbe {
  /**
   * Writes one row, unless it did so within the last five seconds or a write is in progress:
   * callers share that write. If the database could not be reached, the next caller tries again.
   * @returns undefined if the database accepts writes, otherwise the reason in one sentence; it
   * does not throw
   */
  find(): Promise<string | undefined>;
}

interface ProbeDeps {
  pool: Pick<Pool, 'query'>;
  nodeId: string;
  /** A clock in milliseconds that never goes back. */
  elapsed?: () => number;
}

const EVERY_MS = 5000;
const DEADLINE_MS = 3000;

/** Also deletes rows older than an hour: they were left by nodes that no longer exist. */
const WRITE = `WITH old AS (DELETE FROM write_probes WHERE probed_at < clock_timestamp() - interval '1 hour' AND node_id <> $1)
  INSERT INTO write_probes AS p (node_id, probed_at) VALUES ($1, clock_timestamp())
  ON CONFLICT (node_id) DO UPDATE SET probes = p.probes + 1, probed_at = excluded.probed_at`;

/** Returns whether the statement never reached a running database. */
const wasNotSent = (error: unknown) =>
  databaseFault(error) === 'unavailable' && !isDiskFull(error) && !isStatementTimeout(error);

function describe(error: unknown): string {
  if (isDiskFull(error)) return 'The database accepts no writes: its disk is full.';
  const fault = databaseFault(error);
  if (fault === 'read_only') return 'The database accepts no writes: it is read-only.';
  if (fault === 'unavailable') return 'The database cannot be reached.';
  return 'The database refused a write.';
}

/**
 * Limits how long the caller waits. The write itself ends by the statement timeout of its pool, and
 * only the next probe waits for that.
 */
function withinDeadline(writing: Promise<string | undefined>): Promise<string | undefined> {
  return new Promise((resolve) => {
    const late = `The database did not answer a write within ${DEADLINE_MS / SECOND_MS} s.`;
    const timer = setTimeout(() => resolve(late), DEADLINE_MS);
    void writing.then((reason) => {
      clearTimeout(timer);
      resolve(reason);
    });
  });
}

/** Creates the probe; it writes nothing before the first call. */
export function createWriteProbe({
  pool,
  nodeId,
  elapsed = () => performance.now(),
}: ProbeDeps): WriteProbe {
  let last: { at: number; writing: Promise<string | undefined>; ended: boolean } | undefined;
  let sent = true;

  async function write(): Promise<string | undefined> {
    sent = true;
    try {
      await pool.query(WRITE, [nodeId]);
      return undefined;
    } catch (error) {
      sent = !wasNotSent(error);
      return describe(error);
    }
  }

  return {
    find() {
      if (!last || (last.ended && (!sent || elapsed() - last.at >= EVERY_MS))) {
        const begun = { at: elapsed(), writing: write(), ended: false };
        void begun.writing.then(() => (begun.ended = true));
        last = begun;
      }
      return withinDeadline(last.writing);
    },
  };
}
