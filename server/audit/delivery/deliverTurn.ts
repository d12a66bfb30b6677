import { createHash } from 'node:crypto';
import type { LogOnce } from '../../logOnce';
import type { Metrics } from '../../metrics';
import { logOf, parseCheckpoint } from '../../../tlog/checkpoint';
import { DeliveryError } from './deliverSink';
import type { Sink } from './deliverSink';
import {
  claimSink,
  findNotes,
  leaseOf,
  markLossReported,
  moveOn,
  readCheckpointsAfter,
  readStanding,
} from './deliverStore';
import type { NumberedNote, Standing } from './deliverStore';
import { CLAIM_MS, letGo, noteFailure } from './leaseStore';
import type { DeliveryTurn } from './openDelivery';
import { reportLoss } from './reportLoss';

export interface TurnDeps extends DeliveryTurn {
  readonly processId: string;
  readonly metrics: Pick<
    Metrics,
    'auditRolledBack' | 'checkpointDeliveries' | 'checkpointsBehind' | 'checkpointLag'
  >;
}

/** The state that this process keeps of a sink between turns. */
export interface SinkMemory {
  readonly sink: Sink;
  /** The last checkpoint that this process knows was delivered; the database must still hold it. */
  known?: NumberedNote | undefined;
  /**
   * The last checkpoint that the target itself is known to hold. It may be older than the recorded one, if that was
   * written to a file elsewhere.
   */
  held?: NumberedNote | undefined;
  /** Whether this process has read the target itself since its start. */
  asked: boolean;
  readonly logOnce: LogOnce;
}

const READ_AT_ONCE = 500;
/**
 * How often progress is recorded during a backlog. A crash forgets what was not recorded, and it is delivered again.
 */
const NOTE_EVERY_MS = 100;

/** Another process has leased the sink meanwhile: this one was away for too long. */
class ClaimLost extends Error {}

/** Reports a checkpoint that was delivered and that the database has lost. */
function reportLostNote(
  deps: TurnDeps,
  { kind, name }: Sink,
  lost: { id: number | null; note: string },
): Promise<void> {
  const hash = createHash('sha256').update(lost.note).digest('hex');
  const details = { known: { checkpoint: lost.id, note: lost.note }, by: kind };
  return reportLoss(deps, deps.processId, details, (tx) => markLossReported(tx, name, hash));
}

/** The last checkpoint that a sink holds; undefined if it has none and begins at the start. */
type Place = NumberedNote | undefined;

/** Compares what was delivered with what the database holds, and returns where to go on. */
async function findPlace(deps: TurnDeps, memory: SinkMemory, now: Standing): Promise<Place> {
  const { known, sink } = memory;
  if (known && now.knownNote !== known.note) {
    await reportLostNote(deps, sink, known);
    memory.known = undefined;
    memory.held = undefined;
  }
  const { deliveredId: id, deliveredNote: note } = now;
  if (note === null) return memory.known;
  if (!now.deliveredIsThere) {
    await reportLostNote(deps, sink, { id, note });
    // It is unknown at which checkpoint the two histories parted: delivering twice is better than never.
    return undefined;
  }
  // This process may have delivered more than was recorded, because the database may have been unreachable.
  if (id > (memory.known?.id ?? 0)) memory.known = { id, note };
  return memory.known;
}

function toSought(note: string) {
  const checkpoint = parseCheckpoint(note);
  const logId = checkpoint && logOf(checkpoint.origin);
  return checkpoint && logId !== undefined ? [{ logId, size: checkpoint.size, note }] : [];
}

/** Reads the target itself, which is more reliable than what the database recorded of it. */
async function askTarget(deps: TurnDeps, memory: SinkMemory, place: Place): Promise<Place> {
  const { sink } = memory;
  if (!sink.recall) return place;
  const notes = (await sink.recall())?.flatMap(toSought);
  if (!notes) return memory.held ?? place;
  const last = notes.at(-1);
  if (!last) {
    // If the file was moved away while this process ran, its successor goes on at the same place. Otherwise it is a
    // new file or a lost one, and gets every checkpoint.
    const from = memory.held && place;
    const line = { sink: sink.kind, noted: place?.id, after: from?.id ?? 0 };
    if (place)
      deps.logger.warn(
        line,
        'the file of checkpoints is empty: it is written again from the beginning',
      );
    return from;
  }
  const found = await findNotes(deps.database.pool, notes);
  if (!found.has(last.note)) await reportLostNote(deps, sink, { id: null, note: last.note });
  const common = notes.findLast(({ note }) => found.has(note));
  const id = common && found.get(common.note);
  const held = id === undefined ? place : { id, note: common?.note ?? '' };
  memory.held = held;
  return held;
}

const idOf = ({ deliveredId }: Standing) => (deliveredId === 0 ? undefined : deliveredId);

async function moveTo(deps: TurnDeps, { name }: Sink, place: Place): Promise<void> {
  const { database, processId } = deps;
  if (!(await moveOn(database.pool, leaseOf(name, processId), place, CLAIM_MS)))
    throw new ClaimLost();
}

/** Records progress now and then, and at the end. */
function createProgress(deps: TurnDeps, memory: SinkMemory) {
  let notedAt = performance.now();
  let waiting: NumberedNote | undefined;
  const flush = async () => {
    if (!waiting) return;
    const last = waiting;
    waiting = undefined;
    notedAt = performance.now();
    await moveTo(deps, memory.sink, last);
  };
  return {
    async reached(last: NumberedNote) {
      waiting = last;
      memory.known = last;
      memory.held = last;
      if (performance.now() - notedAt >= NOTE_EVERY_MS) await flush();
    },
    flush,
  };
}

async function sendAll(deps: TurnDeps, memory: SinkMemory, place: Place): Promise<void> {
  const { sink } = memory;
  const progress = createProgress(deps, memory);
  let after = place?.id ?? 0;
  try {
    while (!deps.stopped()) {
      const due = await readCheckpointsAfter(deps.database.pool, after, READ_AT_ONCE);
      for (let at = 0; at < due.length && !deps.stopped(); at += sink.atOnce) {
        const pack = due.slice(at, at + sink.atOnce);
        await sink.send(pack, deps.ending);
        deps.metrics.checkpointDeliveries.inc(
          { sink: sink.kind, outcome: 'delivered' },
          pack.length,
        );
        const last = pack.at(-1);
        if (!last) break;
        after = last.id;
        await progress.reached(last);
      }
      if (due.length === 0) break;
    }
  } finally {
    await progress.flush();
  }
}

/** Sets the metrics of a sink. */
function meter(
  { metrics }: TurnDeps,
  sink: Sink['kind'],
  now: Pick<Standing, 'newestId' | 'deliveredId' | 'lagSec'>,
): void {
  metrics.checkpointsBehind.set({ sink }, Math.max(0, now.newestId - now.deliveredId));
  metrics.checkpointLag.set({ sink }, now.lagSec);
}

async function fail(deps: TurnDeps, memory: SinkMemory, error: DeliveryError): Promise<void> {
  const { sink } = memory;
  const { pool } = deps.database;
  const lease = leaseOf(sink.name, deps.processId);
  // This process broke the delivery off: the next one need not wait.
  if (deps.ending.aborted) return letGo(pool, lease);
  deps.metrics.checkpointDeliveries.inc({ sink: sink.kind, outcome: 'failed' });
  const { reason } = error;
  memory.logOnce.failed(reason, () =>
    deps.logger.error(
      { sink: sink.kind, reason },
      'checkpoints cannot be delivered: they are kept and will be tried again',
    ),
  );
  await noteFailure(pool, lease, error);
}

/**
 * Delivers to one sink everything that it lacks, if this process can lease it.
 * @throws the driver's error; a failure of the sink is logged, metered and recorded here
 */
export async function takeTurn(deps: TurnDeps, memory: SinkMemory): Promise<void> {
  const { sink } = memory;
  const { pool } = deps.database;
  const look = () => readStanding(pool, sink.name, deps.processId, memory.known?.id);
  const before = await look();
  meter(deps, sink.kind, before);
  const place = await findPlace(deps, memory, before);
  const due = before.newestId > before.deliveredId || place?.id !== idOf(before);
  if (!before.isFree || (!due && (memory.asked || !sink.recall))) return;
  if (!(await claimSink(pool, sink.name, deps.processId, CLAIM_MS))) return;
  try {
    // Read again: the previous holder of the lease may have delivered meanwhile.
    const now = await look();
    const from = await askTarget(deps, memory, await findPlace(deps, memory, now));
    memory.asked = true;
    if (from?.id !== idOf(now)) await moveTo(deps, sink, from);
    await sendAll(deps, memory, from);
    if (memory.logOnce.recovered())
      deps.logger.info({ sink: sink.kind }, 'checkpoints are delivered again');
    meter(deps, sink.kind, await look());
    await letGo(pool, leaseOf(sink.name, deps.processId));
  } catch (error) {
    if (error instanceof DeliveryError) await fail(deps, memory, error);
    else if (!(error instanceof ClaimLost)) throw error;
  }
}
