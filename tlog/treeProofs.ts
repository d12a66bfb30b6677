import { foldPeaks, hashNode, levelsOf } from './merkleTree';

/** A complete subtree, identified by its place. */
export interface Place {
  readonly level: number;
  readonly index: number;
}

/**
 * The leaves from `start` to before `end`; `start` is a multiple of the size of the range's largest complete subtree.
 */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** Returns the complete subtrees that make up a range, the largest first. */
function placesOf({ start, end }: Range): Place[] {
  let at = start;
  return levelsOf(end - start).map((level) => {
    const place = { level, index: at / 2 ** level };
    at += 2 ** level;
    return place;
  });
}

/**
 * Returns the complete subtrees that make up any range of a tree, from the left: at each place the largest one that
 * begins there and fits.
 * @param end the index after the last leaf
 */
export function subtreesOf(start: number, end: number): Place[] {
  const places: Place[] = [];
  let at = start;
  while (at < end) {
    let level = 0;
    while (at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= end) level += 1;
    places.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return places;
}

/** Returns the largest power of two below a number greater than 1. */
function largestPowerBelow(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

/**
 * Returns the ranges whose roots make up an inclusion proof, from the leaf up (RFC 6962 2.1.1).
 * @param index of the leaf, below `size`
 */
export function inclusionRanges(index: number, size: number): Range[] {
  const ranges: Range[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + largestPowerBelow(end - start);
    if (index < middle) {
      ranges.unshift({ start: middle, end });
      end = middle;
    } else {
      ranges.unshift({ start, end: middle });
      start = middle;
    }
  }
  return ranges;
}

/**
 * Returns the ranges whose roots make up a consistency proof (RFC 6962 2.1.2).
 * @param from size of the earlier tree, 1 to `to`
 */
export function consistencyRanges(from: number, to: number): Range[] {
  const ranges: Range[] = [];
  let start = 0;
  let end = to;
  // Whether the remaining range is the whole earlier tree: the verifier has its root already, so the proof omits it.
  let whole = true;
  while (from !== end) {
    const middle = start + largestPowerBelow(end - start);
    if (from <= middle) {
      ranges.unshift({ start: middle, end });
      end = middle;
    } else {
      ranges.unshift({ start, end: middle });
      start = middle;
      whole = false;
    }
  }
  return whole ? ranges : [{ start, end }, ...ranges];
}

/** Reads the roots of complete subtrees, in the given order. */
export type ReadRoots = (places: readonly Place[]) => Promise<Buffer[]>;

/** Computes the roots of ranges with a single read. */
export async function computeRoots(ranges: readonly Range[], read: ReadRoots): Promise<Buffer[]> {
  const wanted = ranges.map(placesOf);
  const roots = await read(wanted.flat());
  let at = 0;
  return wanted.map(({ length }) => foldPeaks(roots.slice(at, (at += length))));
}

/**
 * @returns the root that a leaf and its proof lead to; undefined if the proof does not have the required length (RFC
 * 9162 2.1.3.2)
 */
export function rootFromInclusion(
  leafHash: Buffer,
  index: number,
  size: number,
  proof: readonly Buffer[],
): Buffer | undefined {
  if (!(index >= 0 && index < size)) return undefined;
  let [fn, sn, root] = [index, size - 1, leafHash];
  for (const sibling of proof) {
    if (sn === 0) return undefined;
    if (fn % 2 === 1 || fn === sn) {
      root = hashNode(sibling, root);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else root = hashNode(root, sibling);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 ? root : undefined;
}

/** A tree's head: the number of its leaves and its root hash. */
export interface TreeHead {
  readonly size: number;
  readonly root: Buffer;
}

/** Checks that the later tree begins with the earlier one (RFC 9162 2.1.4.2). */
export function isConsistent(
  earlier: TreeHead,
  later: TreeHead,
  proof: readonly Buffer[],
): boolean {
  if (earlier.size > later.size || earlier.size < 0) return false;
  if (earlier.size === later.size) {
    return proof.length === 0 && earlier.root.equals(later.root);
  }
  if (earlier.size === 0) return proof.length === 0;
  const isPower = levelsOf(earlier.size).length === 1;
  const path = isPower ? [earlier.root, ...proof] : [...proof];
  const [first] = path;
  if (!first) return false;
  let [fn, sn] = [earlier.size - 1, later.size - 1];
  while (fn % 2 === 1) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  let [fr, sr] = [first, first];
  for (const sibling of path.slice(1)) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      fr = hashNode(sibling, fr);
      sr = hashNode(sibling, sr);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else sr = hashNode(sr, sibling);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && fr.equals(earlier.root) && sr.equals(later.root);
}
