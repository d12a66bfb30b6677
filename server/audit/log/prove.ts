import type { PreparedRunner } from '../../db';
import { brokenLog, createTreeReader } from './treeStore';
import {
  computeRoots,
  consistencyRanges,
  inclusionRanges,
  isConsistent,
  rootFromInclusion,
  subtreesOf,
} from '../../../tlog/treeProofs';
import type { TreeHead } from '../../../tlog/treeProofs';

/** The place and the hash of a leaf. */
export interface Leaf {
  readonly index: number;
  readonly hash: Buffer;
}

/**
 * Proves that a leaf is in a tree (RFC 6962 2.1.1).
 * @param head of the log when it had more leaves than the leaf's index
 * @throws AppError AUDIT_LOG_BROKEN if the stored hashes do not lead from the leaf to that root: no proof is better
 * than a wrong one
 */
export async function proveInclusion(
  runner: PreparedRunner,
  logId: string,
  { index, hash }: Leaf,
  head: TreeHead,
): Promise<Buffer[]> {
  const reader = createTreeReader(runner, logId);
  const hashes = await computeRoots(inclusionRanges(index, head.size), reader);
  const root = rootFromInclusion(hash, index, head.size, hashes);
  if (!root?.equals(head.root)) {
    throw brokenLog(`leaf ${index} of log ${logId} does not lead to its root at ${head.size}`);
  }
  return hashes;
}

export interface ConsistencyProof {
  readonly fromRoot: Buffer;
  readonly toRoot: Buffer;
  readonly hashes: Buffer[];
}

/**
 * Proves that a log of `to` leaves begins with the log of `from` leaves (RFC 6962 2.1.2). Returns the roots of both.
 * @param to at least `from`, at most the number of leaves
 * @throws AppError AUDIT_LOG_BROKEN if nodes are missing or wrong
 */
export async function proveConsistency(
  runner: PreparedRunner,
  logId: string,
  from: number,
  to: number,
): Promise<ConsistencyProof> {
  const reader = createTreeReader(runner, logId);
  const whole = [from, to].map((end) => ({ start: 0, end }));
  // Every tree is consistent with the empty tree, so RFC 6962 defines no proof for it.
  const ranges = from === 0 ? [] : consistencyRanges(from, to);
  const roots = await computeRoots([...whole, ...ranges], reader);
  const [fromRoot, toRoot, ...hashes] = roots as [Buffer, Buffer, ...Buffer[]];
  if (!isConsistent({ size: from, root: fromRoot }, { size: to, root: toRoot }, hashes)) {
    throw brokenLog(`log ${logId} at ${to} does not begin with what it was at ${from}`);
  }
  return { fromRoot, toRoot, hashes };
}

/**
 * Reads the roots of the complete subtrees that make up ranges of a log, in one statement.
 * @throws AppError AUDIT_LOG_BROKEN if nodes are missing
 */
export async function computeSubtreeRoots(
  runner: PreparedRunner,
  logId: string,
  ranges: readonly { start: number; end: number }[],
): Promise<Buffer[][]> {
  const wanted = ranges.map(({ start, end }) => subtreesOf(start, end));
  const roots = await createTreeReader(runner, logId)(wanted.flat());
  let at = 0;
  return wanted.map(({ length }) => roots.slice(at, (at += length)));
}
