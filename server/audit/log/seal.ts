import { setImmediate as nextTurn } from 'node:timers/promises';
import type { PoolClient } from 'pg';
import type { Random } from '../../context';
import type { KeyRing } from '../../keyRing';
import { originOf, parseCheckpoint, signCheckpoint } from '../../../tlog/checkpoint';
import { toLeafEntry } from '../../../tlog/leaf';
import { GrowingTree, hashLeaf } from '../../../tlog/merkleTree';
import {
  findEvents,
  findSealed,
  findUnsealed,
  readState,
  readTrees,
  readUnsigned,
  takeSealerLock,
  writeCheckpoints,
  writeState,
  writeTrees,
} from './sealerStore';
import type {
  FoundEvent,
  KnownCheckpoint,
  NewLeaf,
  NewNode,
  OpenedTreeRow,
  SealerState,
} from './sealerStore';
import { sealingTime } from '../../../tlog/sealingTime';
import { findSigner, nameKey } from '../../../tlog/signedNote';

export interface SealDeps {
  readonly random: Random;
  readonly keys: Pick<KeyRing, 'evidence'>;
  /** By log: the checkpoint that this process signed last, whose signature need not be verified again. */
  readonly signed: Map<string, string>;
}

/**
 * A log that does not match its signed checkpoint: somebody rewrote it, or `EVIDENCE_RETIRED_KEYS` does not name a
 * retired key.
 */
export interface Rewritten {
  readonly logId: string;
  readonly size: number;
}

/** How many events one transaction seals at most. */
const CHUNK = 4000;
/** After this many events, which take about two milliseconds, other work waiting for the event loop gets a turn. */
const TURN = 128;
const MOST_REMEMBERED = 20_000;
const NO_ID = '00000000-0000-0000-0000-000000000000';
/** A snapshot before all transactions: nothing is visible in it. */
const NOTHING = '1:1:';

export interface Pass {
  /** False if another sealer held the lock. */
  readonly held: boolean;
  readonly sealed: number;
  /** Whether everything that was visible is now sealed and under a checkpoint. */
  readonly done: boolean;
  /** Whether this pass took the target snapshot itself, instead of continuing an earlier pass. */
  readonly fresh: boolean;
  /** The newest checkpoint that this pass signed. */
  readonly checkpoint?: KnownCheckpoint | undefined;
  /** Whether the database turned out to be a copy in another cluster. */
  readonly moved: boolean;
  readonly rewritten: readonly Rewritten[];
}

interface Snapshot {
  readonly xmax: string;
  readonly running: readonly string[];
}

/** Parses the text form of a snapshot: `xmin:xmax:` and the ids of the running transactions. */
function parseSnapshot(text: string): Snapshot {
  const [, xmax = '', running = ''] = text.split(':');
  return { xmax, running: running === '' ? [] : running.split(',') };
}

/** The target that a pass works towards, and how far it has come. */
interface Goal {
  sealed: string;
  target: string;
  targetAt: string;
  afterTransaction: string;
  afterId: string;
}

function toGoal(state: SealerState): Goal {
  const { target, target_at: targetAt } = state;
  const under = target !== null && targetAt !== null;
  return {
    sealed: state.sealed ?? NOTHING,
    target: under ? target : state.snapshot_now,
    targetAt: under ? targetAt : state.now,
    afterTransaction: under ? (state.after_transaction ?? '0') : '0',
    afterId: under ? (state.after_id ?? NO_ID) : NO_ID,
  };
}

/**
 * Finds events visible in the target snapshot but not in the last sealed one: first those of transactions that were
 * running then, then those of transactions that have begun since. A transaction that stays open for hours therefore
 * does not keep other events from being sealed.
 */
async function findDue(client: PoolClient, goal: Goal, chunk: number): Promise<FoundEvent[]> {
  const { running, xmax } = parseSnapshot(goal.sealed);
  const { target, afterTransaction, afterId } = goal;
  const search = { from: xmax, target, afterTransaction, afterId };
  const due =
    running.length > 0 ? await findEvents(client, { ...search, running, limit: chunk }) : [];
  if (due.length === chunk) return due;
  const limit = chunk - due.length;
  return [...due, ...(await findEvents(client, { ...search, running: null, limit }))];
}

interface Growth {
  readonly logId: string;
  readonly tenantId: string | null;
  readonly tree: GrowingTree;
  readonly sealedAt: string;
}

/**
 * Checks that a tree is the one that was signed, before it grows. Without this check, the owner of the database could
 * have a rewritten tree signed unnoticed.
 */
function isAsSigned({ keys, signed }: SealDeps, row: OpenedTreeRow, tree: GrowingTree): boolean {
  if (tree.size === 0) return true;
  const checkpoint = row.note === null ? undefined : parseCheckpoint(row.note);
  const origin = originOf(row.log_id);
  if (checkpoint?.origin !== origin || checkpoint.size !== tree.size) return false;
  if (!checkpoint.root.equals(tree.root())) return false;
  if (signed.get(row.log_id) === row.note) return true;
  const believed = keys.evidence.believed.map(({ publicKey }) => nameKey(origin, publicKey));
  return findSigner(checkpoint.note, believed) !== undefined;
}

/** @param when `underWay`: in the middle of a backlog, trees are larger than their last checkpoint */
async function openTrees(
  deps: SealDeps,
  client: PoolClient,
  events: readonly FoundEvent[],
  { now, underWay }: { now: string; underWay: boolean },
): Promise<{ open: Map<string | null, Growth>; rewritten: Rewritten[] }> {
  const rewritten: Rewritten[] = [];
  const tenants = [...new Set(events.map((event) => event.tenant_id))];
  const open = new Map<string | null, Growth>();
  for (const row of await readTrees(client, tenants)) {
    const tree = GrowingTree.from(Number(row.size), row.peaks);
    const between = underWay && Number(row.checkpoint_size) < tree.size;
    if (!between && !isAsSigned(deps, row, tree)) {
      rewritten.push({ logId: row.log_id, size: tree.size });
    }
    const { log_id: logId, tenant_id: tenantId } = row;
    open.set(tenantId, { logId, tenantId, tree, sealedAt: sealingTime(now, row.last_sealed_at) });
  }
  for (const tenantId of tenants) {
    if (open.has(tenantId)) continue;
    const logId = tenantId ?? deps.random.id();
    open.set(tenantId, { logId, tenantId, tree: GrowingTree.empty(), sealedAt: now });
  }
  return { open, rewritten };
}

/** Appends events to their logs, in the given order. @returns the logs that did not match their signed checkpoint */
async function append(
  deps: SealDeps,
  client: PoolClient,
  events: readonly FoundEvent[],
  when: { now: string; underWay: boolean },
): Promise<Rewritten[]> {
  if (events.length === 0) return [];
  const { open, rewritten } = await openTrees(deps, client, events, when);
  const leaves: NewLeaf[] = [];
  const nodes: NewNode[] = [];
  for (const [count, event] of events.entries()) {
    if (count % TURN === TURN - 1) await nextTurn();
    const growth = open.get(event.tenant_id);
    if (!growth) continue;
    const { logId, tree, sealedAt } = growth;
    const index = tree.size;
    const entry = toLeafEntry({ ...event, leaf_index: index, sealed_at: sealedAt });
    const hash = hashLeaf(Buffer.from(entry));
    leaves.push({ logId, index, eventId: event.id, sealedAt, hash });
    for (const node of tree.append(hash)) nodes.push({ ...node, logId });
  }
  const trees = [...open.values()].map(({ logId, tenantId, tree }) => ({
    logId,
    tenantId,
    size: tree.size,
    peaks: tree.encodePeaks(),
  }));
  await writeTrees(client, { leaves, nodes, trees });
  return rewritten;
}

async function signHeads(deps: SealDeps, client: PoolClient): Promise<KnownCheckpoint | undefined> {
  const { key, publicKey } = deps.keys.evidence;
  const heads = await readUnsigned(client);
  if (heads.length === 0) return undefined;
  const checkpoints = [];
  for (const [count, { log_id: logId, size, peaks }] of heads.entries()) {
    if (count % TURN === TURN - 1) await nextTurn();
    const head = { size: Number(size), root: GrowingTree.from(Number(size), peaks).root() };
    checkpoints.push({ logId, ...head, note: signCheckpoint(logId, head, { key, publicKey }) });
  }
  if (deps.signed.size > MOST_REMEMBERED) deps.signed.clear();
  for (const { logId, note } of checkpoints) deps.signed.set(logId, note);
  return writeCheckpoints(client, checkpoints);
}

const isOtherCluster = (state: SealerState): boolean =>
  state.cluster !== null &&
  (state.cluster !== state.cluster_now ||
    BigInt(parseSnapshot(state.sealed ?? NOTHING).xmax) >
      BigInt(parseSnapshot(state.snapshot_now).xmax));

/**
 * Seals a database that was copied from another cluster. The transaction numbers mean nothing here, so every event
 * without a leaf is due, and counting begins anew.
 */
async function adopt(deps: SealDeps, client: PoolClient, state: SealerState): Promise<Pass> {
  let afterId = NO_ID;
  let sealed = 0;
  const rewritten: Rewritten[] = [];
  for (;;) {
    const events = await findUnsealed(client, afterId, CHUNK);
    const last = events.at(-1);
    if (!last) break;
    const underWay = sealed > 0 || state.target !== null;
    rewritten.push(...(await append(deps, client, events, { now: state.now, underWay })));
    sealed += events.length;
    afterId = last.id;
  }
  const checkpoint = await signHeads(deps, client);
  await writeState(client, {
    sealed: state.snapshot_now,
    target: null,
    target_at: null,
    after_transaction: null,
    after_id: null,
    cluster: state.cluster_now,
  });
  return { held: true, sealed, done: true, fresh: true, checkpoint, moved: true, rewritten };
}

async function withoutSealed(
  client: PoolClient,
  events: readonly FoundEvent[],
): Promise<FoundEvent[]> {
  const ids = events.map(({ id }) => id);
  const had = await findSealed(client, ids);
  return events.filter(({ id }) => !had.has(id));
}

export interface PassOptions {
  /** How long to wait for another sealer, in milliseconds; 0, the default, does not wait. */
  readonly waitMs?: number;
  /** Checks first whether events have leaves already. */
  readonly careful?: boolean;
  /** How many events one transaction seals at most. */
  readonly chunk?: number;
}

/**
 * Runs one step of the sealer, in a transaction of its own: takes the lock, gives the next events their leaves, and,
 * if none is left, signs the logs that have grown. Writers of events share no lock with it.
 * @throws a unique violation if an event has a leaf already, which can happen in a copy of a database: retry with
 * `careful`
 */
export async function sealNext(
  deps: SealDeps,
  client: PoolClient,
  { waitMs = 0, careful = false, chunk = CHUNK }: PassOptions = {},
): Promise<Pass> {
  if (!(await takeSealerLock(client, waitMs))) {
    return { held: false, sealed: 0, done: false, fresh: false, moved: false, rewritten: [] };
  }
  const state = await readState(client);
  if (isOtherCluster(state)) return adopt(deps, client, state);
  const fresh = state.target === null;
  const goal = toGoal(state);
  const due = await findDue(client, goal, chunk);
  const done = due.length < chunk;
  const last = due.at(-1);
  // If nothing has happened, nothing is written: an idle database stays idle.
  if (!last && fresh) return { held: true, sealed: 0, done, fresh, moved: false, rewritten: [] };
  const events = careful ? await withoutSealed(client, due) : due;
  const rewritten = await append(deps, client, events, {
    now: goal.targetAt,
    underWay: !fresh,
  });
  const checkpoint = done ? await signHeads(deps, client) : undefined;
  await writeState(client, {
    sealed: done ? goal.target : goal.sealed,
    target: done ? null : goal.target,
    target_at: done ? null : goal.targetAt,
    after_transaction: done ? null : (last?.transaction ?? null),
    after_id: done ? null : (last?.id ?? null),
    cluster: state.cluster_now,
  });
  return { held: true, sealed: events.length, done, fresh, checkpoint, moved: false, rewritten };
}
