import { originOf, parseCheckpoint } from '../../../tlog/checkpoint';
import type { TreeHead } from '../../../tlog/treeProofs';
import type { Believers } from '../../../tlog/believedKeys';
import type { FindingKind, Report } from './logFindings';

/** A row of `audit_checkpoints`. */
export interface CheckpointRow {
  readonly id: string;
  readonly size: number;
  readonly root_hash: Buffer;
  readonly note: string;
}

/** An earlier checkpoint that somebody kept; its signature has been checked. */
export interface KeptHead extends TreeHead {
  /** The file and line that it was read from. */
  readonly where: string;
}

/** A problem that is reported once per log: the first head that has it, and the number of further ones. */
interface FoundProblem {
  readonly kind: FindingKind;
  readonly leaf: number;
  readonly message: string;
  more: number;
}

/** The tree that heads are compared with. */
interface Grown {
  readonly size: number;
  readonly broken: boolean;
  root(): Buffer;
}

/**
 * Compares heads with a tree at the moment it has their size. One rewritten row spoils every head after it, so that
 * is reported once.
 */
export class HeadChecker {
  private readonly problems = new Map<FindingKind, FoundProblem>();
  private lastGood = 0;
  private known: { size: number; root: Buffer } | undefined;
  /** The largest size under a checkpoint of the database. */
  covered = 0;
  checkpoints = 0;
  /** Heads that could not be compared, because leaves before them are missing. */
  uncompared = 0;

  constructor(
    private readonly log: string,
    private readonly believers: Believers,
    private readonly report: Report,
  ) {}

  /** Checks a checkpoint of the database, once the tree has its size or has ended before. */
  checkpoint(row: CheckpointRow, tree: Grown): void {
    const named = `checkpoint ${row.id} (size ${row.size})`;
    this.checkpoints += 1;
    this.covered = Math.max(this.covered, row.size);
    const head = this.read(row, named);
    if (this.isAhead(row.size, tree)) {
      const message = `${named} covers more events than the ${tree.size} that exist: the tail was deleted`;
      this.collect('checkpoint_beyond', tree.size, message);
    } else if (tree.broken) this.uncompared += 1;
    else if (head && !head.root.equals(this.rootOf(tree))) {
      const message = `${named} does not match the tree: some of the leaves ${this.lastGood} to ${row.size - 1} were changed, removed or inserted after it was signed`;
      this.collect('checkpoint_root', this.lastGood, message);
    } else if (head) this.lastGood = row.size;
  }

  /** Checks a head that was handed out earlier, once the tree has its size or has ended before. */
  kept({ where, size, root }: KeptHead, tree: Grown): void {
    if (this.isAhead(size, tree)) {
      const message = `the log has ${tree.size} events, but the checkpoint in ${where} has ${size}: the tail was deleted, or an older backup was restored`;
      this.collect('earlier_ahead', tree.size, message);
    } else if (tree.broken) this.uncompared += 1;
    else if (!root.equals(this.rootOf(tree))) {
      const message = `the checkpoint in ${where} belongs to another history of the first ${size} events: they were rewritten since, or the log has two heads`;
      this.collect('earlier_root', size, message);
    }
  }

  /** Reports the problems that were found with the heads. */
  end(): void {
    for (const { kind, leaf, message, more } of this.problems.values()) {
      const also =
        more === 0
          ? ''
          : `; the same is true of ${more === 1 ? 'one more' : `${more} more`} after it`;
      this.report({ kind, log: this.log, leaf, message: `${message}${also}` });
    }
  }

  private isAhead = (size: number, tree: Grown): boolean => !tree.broken && size > tree.size;

  /** Cached, because several heads of one size have one root. */
  private rootOf(tree: Grown): Buffer {
    if (this.known?.size !== tree.size) this.known = { size: tree.size, root: tree.root() };
    return this.known.root;
  }

  private collect(kind: FindingKind, leaf: number, message: string): void {
    const before = this.problems.get(kind);
    if (before) before.more += 1;
    else this.problems.set(kind, { kind, leaf, message, more: 0 });
  }

  /**
   * @returns the head that the note states, no matter who signed it; undefined if the note is malformed or its size
   * is not that of its row
   */
  private read(row: CheckpointRow, named: string): TreeHead | undefined {
    const { log, report } = this;
    const head = parseCheckpoint(row.note);
    if (!head) {
      const message = `the note of ${named} is not a well-formed signed checkpoint`;
      report({ kind: 'checkpoint_malformed', log, message });
      return undefined;
    }
    const origin = originOf(log);
    const objection = this.believers.hasKeyOf(origin)
      ? this.believers.objectionTo(origin, head.note)
      : undefined;
    if (objection !== undefined) {
      report({ kind: 'checkpoint_signature', log, message: `${named}: ${objection}` });
    }
    const says = [
      head.origin === origin ? '' : `belongs to ${head.origin}`,
      head.size === row.size ? '' : `covers ${head.size} events`,
      head.root.equals(row.root_hash) ? '' : 'has another root',
    ].filter((word) => word !== '');
    if (says.length > 0) {
      const message = `the note of ${named} ${says.join(' and ')}: its row was changed`;
      report({ kind: 'checkpoint_changed', log, message });
    }
    return head.size === row.size ? head : undefined;
  }
}
