import { GrowingTree } from '../tlog/merkleTree';
import { subtreesOf } from '../tlog/treeProofs';
import type { TreeHead } from '../tlog/treeProofs';
import type { LogStretch } from './readManifest';
import { FormError, parseCanonical } from './members';

/** The content of leaves.json: the roots of the subtrees before and after the stretch. */
export interface Surroundings {
  readonly stretch: LogStretch;
  readonly before: readonly Buffer[];
  readonly after: readonly Buffer[];
}

/** @throws FormError if leaves.json is malformed */
export function readSurroundings(bytes: Buffer): Surroundings {
  const leaves = parseCanonical(bytes);
  const stretch: LogStretch = {
    origin: leaves.text('origin'),
    size: leaves.count('size'),
    root: leaves.hash('rootHash'),
    first: leaves.count('first'),
    last: leaves.count('last'),
  };
  const [before, after] = [leaves.hashes('before'), leaves.hashes('after')];
  const expected = {
    before: subtreesOf(0, stretch.first).length,
    after: subtreesOf(stretch.last + 1, stretch.size).length,
  };
  if (before.length !== expected.before || after.length !== expected.after) {
    throw new FormError(
      `before and after should have ${expected.before} and ${expected.after} hashes`,
    );
  }
  return { stretch, before, after };
}

/**
 * The tree of a log, computed from the leaves of a stretch and the roots of the subtrees on both
 * sides of it.
 */
export class StretchTree {
  private readonly tree = GrowingTree.empty();
  private readonly roots = new Map<number, Buffer>();
  private readonly watched: number[];

  /** @param sizes the sizes for which the root is needed; those outside the stretch are ignored */
  constructor(
    private readonly surroundings: Surroundings,
    sizes: readonly number[],
  ) {
    const { first, last } = surroundings.stretch;
    const within = [...new Set(sizes)].filter((size) => size >= first && size <= last + 1);
    this.watched = within.sort((one, other) => other - one);
    this.appendAll(0, first, surroundings.before);
    this.look();
  }

  append(leafHash: Buffer): void {
    this.tree.append(leafHash);
    if (this.tree.size === this.watched.at(-1)) this.look();
  }

  /** Returns the head of the whole tree. Call it once, after the last leaf. */
  end(): TreeHead {
    const { last, size } = this.surroundings.stretch;
    this.appendAll(last + 1, size, this.surroundings.after);
    return { size: this.tree.size, root: this.tree.root() };
  }

  /**
   * Returns the root at one of the sizes that were named, or undefined if that lies outside the
   * stretch.
   */
  rootAt(size: number): Buffer | undefined {
    return this.roots.get(size);
  }

  private look(): void {
    if (this.tree.size !== this.watched.at(-1)) return;
    this.watched.pop();
    this.roots.set(this.tree.size, this.tree.root());
  }

  private appendAll(start: number, end: number, hashes: readonly Buffer[]): void {
    for (const [index, { level }] of subtreesOf(start, end).entries()) {
      const hash = hashes[index];
      if (hash) this.tree.appendSubtree(level, hash);
    }
  }
}
