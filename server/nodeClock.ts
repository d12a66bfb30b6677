import type { Pool } from 'pg';
import type { Clock } from './context';
import { databaseFault } from './db/pgErrors';
import type { Logger } from './logger';
import type { Metrics } from './metrics';
import { MINUTE_MS, SECOND_MS } from './durations';

/**
 * The database's time, continued by this machine's monotonic clock. The wall clock dates and checks
 * nothing.
 */
export interface NodeClock extends Clock {
  /** Measures once, then every minute, and sooner again after a failure. */
  start(): Promise<void>;
  /** @throws any database error */
  measure(): Promise<void>;
  /**
   * How far the wall clock is ahead of the database's, in milliseconds; undefined before the first
   * measurement.
   */
  offsetMs(): number | undefined;
  /**
   * How far the other nodes' wall clocks are ahead, in milliseconds, as each of them has measured
   * in the last three minutes and since this node started.
   */
  othersMs(): Promise<number[]>;
  /** Stops measuring, and deletes this node's published offset. */
  stop(): Promise<void>;
}

/** A greater offset is reported. */
export const TOLD_MS = 5000;
/** A greater offset makes the node unready: logs, TLS and files depend on the wall clock. */
export const REFUSED_MS = 25_000;

const EVERY_MS = MINUTE_MS;
/** Measure sooner while something is wrong, to notice early when it ends. */
const WATCHFUL_MS = 10_000;
const SAMPLES = 3;
/** A slower round trip says too little about the time in its middle. */
const SLOWEST_MS = SECOND_MS;

interface Measured {
  /** The database's time, in milliseconds since 1970, when the monotonic clock stood at `at`. */
  readonly database: number;
  readonly at: number;
  readonly roundTrip: number;
  readonly wall: number;
}

export interface NodeClockDeps {
  pool: Pick<Pool, 'query'>;
  nodeId: string;
  logger: Logger;
  metrics: Pick<Metrics, 'clockOffset' | 'backgroundFailures'>;
}

/**
 * Takes one sample. The answer is the time in the middle of the round trip, plus or minus half of
 * it.
 */
async function sample(pool: Pick<Pool, 'query'>): Promise<Measured> {
  const asked = performance.now();
  const { rows } = await pool.query<{ now: number }>(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now',
  );
  const at = performance.now();
  const roundTrip = at - asked;
  return { database: (rows[0]?.now ?? 0) + roundTrip / 2, at, roundTrip, wall: Date.now() };
}

async function takeBest(pool: Pick<Pool, 'query'>): Promise<Measured> {
  let best = await sample(pool);
  for (let taken = 1; taken < SAMPLES; taken += 1) {
    const next = await sample(pool);
    if (next.roundTrip < best.roundTrip) best = next;
  }
  return best;
}

/**
 * Publishes the offset for the other nodes. Rows older than an hour were left by crashed nodes and
 * are deleted.
 */
async function publish(deps: NodeClockDeps, offsetMs: number): Promise<void> {
  await deps.pool.query(
    `WITH old AS (DELETE FROM node_clocks WHERE measured_at < clock_timestamp() - interval '1 hour')
     INSERT INTO node_clocks (node_id, offset_ms, measured_at) VALUES ($1, $2, clock_timestamp())
     ON CONFLICT (node_id) DO UPDATE SET offset_ms = excluded.offset_ms, measured_at = excluded.measured_at`,
    [deps.nodeId, Math.max(-2_147_483_648, Math.min(2_147_483_647, offsetMs))],
  );
}

/** Creates the clock. It sends nothing before it is started, and uses the wall clock until then. */
export function createNodeClock(deps: NodeClockDeps): NodeClock {
  let anchor: Measured | undefined;
  let startedAt: Date | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const nowMs = () =>
    anchor === undefined ? Date.now() : anchor.database + (performance.now() - anchor.at);
  const offsetMs = () => anchor && Math.round(anchor.wall - anchor.database);

  async function measure(): Promise<void> {
    const best = await takeBest(deps.pool);
    if (anchor !== undefined && best.roundTrip > SLOWEST_MS) return;
    anchor = best;
    const offset = offsetMs() ?? 0;
    deps.metrics.clockOffset.set(offset / SECOND_MS);
    if (Math.abs(offset) > TOLD_MS) {
      const line = { code: 'CLOCK_OFFSET', offsetMs: offset };
      deps.logger.warn(
        line,
        'the clock of this machine differs from the clock of the database: check NTP',
      );
    }
    await publish(deps, offset);
  }

  async function turn(): Promise<void> {
    let wait = WATCHFUL_MS;
    try {
      await measure();
      if (Math.abs(offsetMs() ?? 0) <= TOLD_MS) wait = EVERY_MS;
    } catch (err) {
      deps.metrics.backgroundFailures.inc({ task: 'measure_clock' });
      deps.logger.warn({ err, fault: databaseFault(err) }, 'the clock could not be measured');
    }
    if (!stopped) timer = setTimeout(() => void turn(), wait).unref();
  }

  return {
    now: () => new Date(nowMs()),
    measure,
    offsetMs,
    async start() {
      await turn();
      startedAt = new Date(nowMs());
    },
    async othersMs() {
      const { rows } = await deps.pool.query<{ offset: number }>(
        `SELECT offset_ms AS offset FROM node_clocks WHERE node_id <> $1 AND measured_at >= $2
           AND measured_at > clock_timestamp() - interval '3 minutes'`,
        // Older rows may be left over from a crashed node, such as this node's predecessor.
        [deps.nodeId, startedAt ?? new Date(nowMs())],
      );
      return rows.map(({ offset }) => offset);
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      if (startedAt === undefined) return;
      await deps.pool
        .query('DELETE FROM node_clocks WHERE node_id = $1', [deps.nodeId])
        .catch(() => undefined);
    },
  };
}
