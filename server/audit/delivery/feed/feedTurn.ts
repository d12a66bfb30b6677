import type { EventFeedSettings } from '../../../config/eventFeedSettings';
import type { Random } from '../../../context';
import type { LogOnce } from '../../../logOnce';
import type { Metrics } from '../../../metrics';
import { originOf } from '../../../../tlog/checkpoint';
import { DeliveryError } from '../deliverSink';
import { CLAIM_MS, letGo, noteFailure } from '../leaseStore';
import type { DeliveryTurn } from '../openDelivery';
import { reportLoss } from '../reportLoss';
import type { Poster } from '../webhookPost';
import { claimLog, correctSize, moveCursor } from './cursorStore';
import type { ClaimedLog } from './cursorStore';
import {
  beginFeed,
  markLossReported,
  noteAll,
  noteNews,
  noteTaken,
  readFeed,
  readLag,
  restFeed,
} from './feedStore';
import type { NamedLeaf } from './feedStore';
import { readHead } from './leafStore';
import type { FeedLine, ReadLines } from './leafStore';

export interface FeedDeps extends DeliveryTurn {
  readonly settings: EventFeedSettings;
  readonly poster: Poster;
  readonly readLines: ReadLines;
  readonly random: Random;
  readonly metrics: Pick<
    Metrics,
    'auditRolledBack' | 'feedDelivered' | 'feedFailures' | 'feedBehind' | 'feedLag'
  >;
}

/** The state that this process keeps of a feed between turns. */
export interface FeedMemory {
  /** Whether every log was compared since the start. */
  compared: boolean;
  /** The last leaf that this process delivered; the log must still have it. */
  known?: NamedLeaf | undefined;
  /** For failures of the receiver. */
  readonly logOnce: LogOnce;
  /** How many logs were refused since the receiver last accepted anything; only the first few are logged. */
  refused: number;
  /** Whether the database records that the receiver fails. */
  failing: boolean;
  /** The most events in one request; fewer after the receiver found a request too large. */
  most: number;
  /** When the metrics were set last, by `performance.now()`. */
  meteredAt: number;
}

const WORKERS = 4;
export const MOST_EVENTS = 500;
const MOST_BYTES = 1_000_000;
const MOST_REFUSED_TOLD = 5;
const METER_EVERY_MS = 5000;
/** These answers reject the content and not the sender, so other logs may be accepted. */
const BODY_REFUSED = new Set(['HTTP 400', 'HTTP 413', 'HTTP 422']);

/** Reports a leaf that was delivered and that the log has lost. */
function reportLostLeaf(deps: FeedDeps, { logId, leafIndex, leafHash }: NamedLeaf): Promise<void> {
  const leaf = { logId, leafIndex, leafHash: leafHash.toString('base64') };
  const lost = `${logId} ${leafIndex} ${leaf.leafHash}`;
  return reportLoss(deps, deps.random.id(), { leaf, by: 'feed' }, (tx) =>
    markLossReported(tx, deps.settings.sink, lost),
  );
}

/**
 * Takes as many lines as one request may hold, and at least one. Leaves must follow each other: a missing leaf or
 * event ends the request.
 */
function pack(
  lines: readonly FeedLine[],
  from: number,
  most: number,
): (FeedLine & { text: string })[] {
  const packed: (FeedLine & { text: string })[] = [];
  let bytes = 0;
  for (const [at, { text, ...line }] of lines.entries()) {
    if (at === most || text === undefined || line.leafIndex !== from + at) break;
    bytes += Buffer.byteLength(text) + 1;
    if (bytes > MOST_BYTES && at > 0) break;
    packed.push({ ...line, text });
  }
  return packed;
}

/** Sends the next events of a log. @returns the last leaf that was sent @throws DeliveryError */
async function send(
  deps: FeedDeps,
  memory: FeedMemory,
  log: ClaimedLog,
  below: number,
): Promise<NamedLeaf> {
  const { logId, nextLeaf: from } = log;
  const range = { from, below, most: MOST_EVENTS };
  const lines = await deps.readLines(deps.database.pool, logId, range);
  for (;;) {
    const packed = pack(lines, from, memory.most);
    const last = packed.at(-1);
    if (!last) throw new DeliveryError('EVENT_MISSING');
    const headers = {
      'gatehouse-log': originOf(logId),
      'gatehouse-first-leaf': String(from),
      'gatehouse-last-leaf': String(last.leafIndex),
      'gatehouse-last-leaf-hash': last.leafHash.toString('base64'),
    };
    const body = packed.map(({ text }) => `${text}\n`).join('');
    try {
      await deps.poster.post({ type: 'application/x-ndjson', headers, body }, deps.ending);
      memory.most = Math.min(MOST_EVENTS, memory.most * 2);
      deps.metrics.feedDelivered.inc(packed.length);
      return { logId, leafIndex: last.leafIndex, leafHash: last.leafHash };
    } catch (error) {
      const tooLarge = error instanceof DeliveryError && error.reason === 'HTTP 413';
      if (!tooLarge || packed.length === 1) throw error;
      memory.most = Math.ceil(packed.length / 2);
    }
  }
}

/**
 * Checks that the log still has the leaf that was delivered last. If it has not, delivery restarts at the first leaf,
 * because it is unknown at which leaf the two histories parted.
 */
async function stillHolds(deps: FeedDeps, log: ClaimedLog, found: Buffer | null): Promise<boolean> {
  const { logId, nextLeaf, lastHash } = log;
  if (nextLeaf === 0 || (lastHash !== null && found?.equals(lastHash))) return true;
  const leafHash = lastHash ?? Buffer.alloc(0);
  await reportLostLeaf(deps, { logId, leafIndex: nextLeaf - 1, leafHash });
  await moveCursor(deps.database.pool, log, 0, null);
  return false;
}

/** @throws DeliveryError, or the driver's error */
async function deliver(deps: FeedDeps, memory: FeedMemory, log: ClaimedLog): Promise<void> {
  const { pool } = deps.database;
  const { signedSize, leafHash } = await readHead(pool, log.logId, log.nextLeaf - 1);
  if (!(await stillHolds(deps, log, leafHash))) return;
  if (signedSize <= log.nextLeaf) return correctSize(pool, log, signedSize);
  const last = await send(deps, memory, log, signedSize);
  memory.known = last;
  await moveCursor(pool, log, last.leafIndex + 1, last.leafHash);
  memory.refused = 0;
  if (memory.failing) await noteTaken(pool, deps.settings.sink);
  memory.failing = false;
  if (memory.logOnce.recovered()) deps.logger.info('audit events are delivered again');
}

async function fail(
  deps: FeedDeps,
  memory: FeedMemory,
  log: ClaimedLog,
  error: DeliveryError,
): Promise<void> {
  const { pool } = deps.database;
  const { logger, metrics, settings } = deps;
  // This process broke the delivery off: the next one need not wait.
  if (deps.ending.aborted) return letGo(pool, log.lease);
  metrics.feedFailures.inc();
  const { reason } = error;
  if (reason === 'EVENT_MISSING' || BODY_REFUSED.has(reason)) {
    const line = { log: originOf(log.logId), leaf: log.nextLeaf, reason };
    if (log.failures === 0) memory.refused += 1;
    if (log.failures === 0 && memory.refused <= MOST_REFUSED_TOLD) {
      logger.error(
        line,
        'audit events of a log cannot be delivered: this log waits, the others go on',
      );
    }
    return noteFailure(pool, log.lease, error);
  }
  memory.logOnce.failed(reason, () => {
    const line = { reason, log: originOf(log.logId), leaf: log.nextLeaf };
    logger.error(line, 'audit events cannot be delivered: they are kept and will be tried again');
  });
  memory.failing = true;
  await restFeed(pool, settings.sink, error);
  await letGo(pool, log.lease);
}

/** Delivers one log after the other, the longest waiting first, until none is due. @returns the number of tries */
async function work(deps: FeedDeps, memory: FeedMemory): Promise<number> {
  const { database, settings, random } = deps;
  for (let tried = 0; ; tried += 1) {
    if (deps.stopped()) return tried;
    const log = await claimLog(database.pool, settings.sink, random.id(), CLAIM_MS);
    if (!log) return tried;
    try {
      await deliver(deps, memory, log);
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error;
      await fail(deps, memory, log, error);
    }
  }
}

async function meter({ database, settings, metrics }: FeedDeps, memory: FeedMemory) {
  memory.meteredAt = performance.now();
  const { behind, lagSec } = await readLag(database.pool, settings.sink);
  metrics.feedBehind.set(behind);
  metrics.feedLag.set(lagSec);
}

/**
 * Delivers to the receiver everything that it lacks.
 * @throws the driver's error; a failure of the receiver is logged, metered and recorded here
 */
export async function takeFeedTurn(deps: FeedDeps, memory: FeedMemory): Promise<void> {
  const { settings, database } = deps;
  const { pool } = database;
  const { sink } = settings;
  const view = await readFeed(pool, sink, memory.known);
  memory.failing = view.failing;
  if (!view.begun) await beginFeed(pool, sink, settings.start === 'now');
  if (memory.known && !view.knownIsThere) {
    if (view.begun) await reportLostLeaf(deps, memory.known);
    memory.known = undefined;
    memory.compared = false;
  }
  if (!memory.compared || view.seenCheckpoint > view.newestCheckpoint) await noteAll(pool, sink);
  else if (view.seenCheckpoint < view.newestCheckpoint) await noteNews(pool, sink);
  memory.compared = true;
  const workers = Array.from({ length: view.isFree ? WORKERS : 0 }, () => work(deps, memory));
  const results = await Promise.allSettled(workers);
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  const tried = results.some((result) => result.status === 'fulfilled' && result.value > 0);
  if (tried || performance.now() - memory.meteredAt > METER_EVERY_MS) await meter(deps, memory);
}
