import { hash } from 'node:crypto';

/** The length of a SHA-256 hash in bytes. */
export const HASH_BYTES = 32;
/** The roots of subtrees of 2^4, 2^8, 2^12, … leaves are stored; those between are computed from at most 15 of them. */
export const LEVEL_STEP = 4;

const LEAF = Buffer.from([0]);
const NODE = Buffer.from([1]);

/**
 * Hashes a leaf (RFC 6962 2.1). A leaf's first byte differs from a node's, so neither can be passed off as the other.
 */
export const hashLeaf = (entry: Buffer): Buffer =>
  hash('sha256', Buffer.concat([LEAF, entry]), 'buffer');

/** Hashes an inner node (RFC 6962 2.1). */
export const hashNode = (left: Buffer, right: Buffer): Buffer =>
  hash('sha256', Buffer.concat([NODE, left, right]), 'buffer');

/** The root of an empty tree (RFC 6962 2.1). */
export const EMPTY_ROOT: Buffer = hash('sha256', Buffer.alloc(0), 'buffer');

/** The root of a complete subtree, which has the leaves from `index * 2^level` to before `(index + 1) * 2^level`. */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
  readonly hash: Buffer;
}

/**
 * A tree that grows at its right end. To grow, it needs only its peaks: the roots of the complete subtrees that it
 * consists of, one for each 1 in the binary form of its size.
 */
export class GrowingTree {
  private readonly peaks: TreeNode[] = [];

  private constructor(public size: number) {}

  /**
   * Restores a tree.
   * @param peaks the bytes that {@link encodePeaks} returned at that size
   * @throws RangeError if they are not the peaks of a tree of that size
   */
  static from(size: number, peaks: Buffer): GrowingTree {
    const tree = new GrowingTree(size);
    let first = 0;
    let at = 0;
    for (const level of levelsOf(size)) {
      const root = peaks.subarray(at, at + HASH_BYTES);
      tree.peaks.push({ level, index: first / 2 ** level, hash: root });
      first += 2 ** level;
      at += HASH_BYTES;
    }
    if (at !== peaks.length) throw new RangeError(`a tree of ${size} leaves has other peaks`);
    return tree;
  }

  static empty = (): GrowingTree => new GrowingTree(0);

  /** Adds a leaf. @returns the complete subtrees whose roots must be stored */
  append(leafHash: Buffer): TreeNode[] {
    return this.appendSubtree(0, leafHash);
  }

  /**
   * Adds a complete subtree of 2^level leaves.
   * @returns the further complete subtrees whose roots must be stored
   * @throws RangeError if no such subtree begins at the tree's end
   */
  appendSubtree(level: number, hash: Buffer): TreeNode[] {
    const index = this.size / 2 ** level;
    if (!Number.isInteger(index)) throw new RangeError(`no subtree of level ${level} begins here`);
    let node: TreeNode = { level, index, hash };
    this.size += 2 ** level;
    const made: TreeNode[] = [];
    for (;;) {
      const left = this.peaks.at(-1);
      if (left?.level !== node.level) break;
      this.peaks.pop();
      node = {
        level: node.level + 1,
        index: (node.index - 1) / 2,
        hash: hashNode(left.hash, node.hash),
      };
      if (node.level % LEVEL_STEP === 0) made.push(node);
    }
    this.peaks.push(node);
    return made;
  }

  /** Returns the Merkle tree hash (RFC 6962 2.1). */
  root(): Buffer {
    return foldPeaks(this.peaks.map((peak) => peak.hash));
  }

  encodePeaks(): Buffer {
    return Buffer.concat(this.peaks.map((peak) => peak.hash));
  }
}

/** Returns the levels of the complete subtrees that a tree of this size consists of, the largest first. */
export function levelsOf(size: number): number[] {
  const levels: number[] = [];
  // Divides instead of shifting: shifts end at 32 bits.
  for (let left = size, level = 0; left > 0; left = Math.floor(left / 2), level += 1) {
    if (left % 2 === 1) levels.unshift(level);
  }
  return levels;
}

/** Returns the root of adjacent subtrees, the largest first: RFC 6962 splits at the largest power of two. */
export function foldPeaks(hashes: readonly Buffer[]): Buffer {
  let root = hashes.at(-1);
  if (!root) return EMPTY_ROOT;
  for (const left of hashes.slice(0, -1).reverse()) root = hashNode(left, root);
  return root;
}
