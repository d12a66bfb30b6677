import type { Pool } from 'pg';
import type { Clock } from './context';
import { databaseFault } from './db/pgErrors';
import type { Logger } from './logger';
import type { Metrics } from './metrics';

/** The database's time, carried on by this machine's monotonic clock: its wall clock dates and checks nothing. */
export interface NodeClock extends Clock {
  /** Measures once, then each minute; a database that does not answer is asked again sooner. */
  start(): Promise<void>;
  /** @throws whatever the database throws */
  measure(): Promise<void>;
  /** How far the wall clock is ahead of the database's, in milliseconds; undefined before the first measurement. */
  offsetMs(): number | undefined;
  /** How far the other nodes' wall clocks are ahead, as each of them measured since this one started, at most three minutes ago. */
  othersMs(): Promise<number[]>;
  /** Ends the measuring, and withdraws what was measured. */
  stop(): Promise<void>;
}

/** From here on an offset is told. */
export const TOLD_MS = 5000;
/** From here on a node is not ready: logs, TLS and files are dated by the wall clock. */
export const REFUSED_MS = 25_000;

const EVERY_MS = 60_000;
/** Sooner if something is wrong, so that the end of it is seen soon. */
const WATCHFUL_MS = 10_000;
const SAMPLES = 3;
/** A round trip that takes longer says too little of the time in the middle of it. */
const SLOWEST_MS = 1000;

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

/** One question: the answer was true in the middle of the round trip, give or take half of it. */
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

/** For the other nodes; what is older than an hour was left by nodes that died. */
async function publish(deps: NodeClockDeps, offsetMs: number): Promise<void> {
  await deps.pool.query(
    `WITH old AS (DELETE FROM node_clocks WHERE measured_at < clock_timestamp() - interval '1 hour')
     INSERT INTO node_clocks (node_id, offset_ms, measured_at) VALUES ($1, $2, clock_timestamp())
     ON CONFLICT (node_id) DO UPDATE SET offset_ms = excluded.offset_ms, measured_at = excluded.measured_at`,
    [deps.nodeId, Math.max(-2_147_483_648, Math.min(2_147_483_647, offsetMs))],
  );
}

/** Constructs the clock; it sends nothing before it is started, and goes by the wall clock until then. */
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
    deps.metrics.clockOffset.set(offset / 1000);
    if (Math.abs(offset) > TOLD_MS) {
      const line = { code: 'CLOCK_OFFSET', offsetMs: offset };
      deps.logger.warn(line, "the clock of this machine is not the database's: look at NTP");
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
        // Before it started they may be what a node that died has left, for example this one's predecessor.
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
