import { toLeafEntry } from '../../../tlog/leaf';
import type { SealedEvent } from '../../../tlog/leaf';
import { GrowingTree, hashLeaf } from '../../../tlog/merkleTree';
import type { TreeNode } from '../../../tlog/merkleTree';
import { BatchTimes, TOLERANCE_MS } from '../../../tlog/batchTimes';
import type { FindingKind, Report } from './logFindings';

/** A leaf with its event; if `id` is null, the event is gone. */
export interface LeafRow extends Omit<SealedEvent, 'id'> {
  readonly id: string | null;
  readonly event_id: string;
  readonly leaf_hash: Buffer;
  /** Whether its times are in the years 1 to 9999. The hashed form has no era, so it cannot tell other years apart. */
  readonly common_era: boolean;
  /** The first number in its details that no server wrote and that has the same hash as another number. */
  readonly foreign_number: string | undefined;
}

export interface TreeState {
  readonly tenantId: string | null;
  readonly size: number;
  readonly peaks: Buffer;
}

/** The database's clock was set back while a log grew. */
export interface StepNotice {
  readonly leaf: number;
  readonly from: string;
  readonly to: string | undefined;
}

/** The context that the checks of one log share. */
export interface CheckContext {
  readonly report: Report;
  /** The database's clock, ISO 8601. */
  readonly now: string;
}

/**
 * Checks one log while its leaves are read in order. Leaves are hashed anew from their events, but the tree grows
 * from the stored hashes. If only an event was changed, exactly that row is reported; if its leaf was changed too,
 * the signed heads no longer match.
 */
export class LogChecker {
  private readonly tree = GrowingTree.empty();
  private readonly times = new BatchTimes();
  private readonly soonest: string;
  private next = 0;
  private brokenAt: number | undefined;
  private lastSealedAt: string | undefined;
  /** The first time that the clock was set back, and how often it was. */
  step: StepNotice | undefined;
  steps = 0;
  /** How many events were sealed more than five minutes after they occurred. */
  late = 0;
  /** The first leaf whose sealing time is in the future. */
  ahead: { readonly leaf: number; readonly at: string } | undefined;

  constructor(
    readonly logId: string,
    private readonly tenantId: string | null,
    private readonly context: CheckContext,
  ) {
    this.soonest = new Date(Date.parse(context.now) + TOLERANCE_MS).toISOString();
  }

  /** The number of leaves that the tree has taken in. */
  get size(): number {
    return this.tree.size;
  }

  /** Whether leaves are missing, so that the tree cannot grow any further. */
  get broken(): boolean {
    return this.brokenAt !== undefined;
  }

  /** The sealing time of the newest leaf. */
  get sealedAt(): string | undefined {
    return this.lastSealedAt;
  }

  root(): Buffer {
    return this.tree.root();
  }

  /** Checks a leaf and adds it to the tree. @returns the complete subtrees whose roots must be stored */
  leaf(row: LeafRow): readonly TreeNode[] {
    const index = row.leaf_index;
    if (index < this.next) {
      this.find('leaf_extra', row, 'another leaf has this index, or the index is impossible');
      return [];
    }
    if (index > this.next) {
      const gone = index - this.next;
      const which = gone === 1 ? `leaf ${this.next} is` : `leaves ${this.next} to ${index - 1} are`;
      const message = `${which} missing before this one, so they were deleted. Roots from there on cannot be computed`;
      this.find('leaf_gap', { ...row, leaf_index: this.next }, message);
      this.brokenAt ??= this.next;
    }
    this.next = index + 1;
    this.checkTimes(row, this.checkEvent(row));
    return this.broken ? [] : this.tree.append(row.leaf_hash);
  }

  /** Compares the stored state of the tree with the tree that the leaves give. */
  end(stored: TreeState | undefined): void {
    const { logId: log, next, context } = this;
    if (!stored) {
      const message = `audit_trees has no row for this log of ${next} leaves`;
      context.report({ kind: 'tree_missing', log, message });
      return;
    }
    if (stored.tenantId !== null && stored.tenantId !== log) {
      const message = `audit_trees says that it is the log of tenant ${stored.tenantId}`;
      context.report({ kind: 'tree_tenant', log, message });
    }
    if (stored.size !== next) {
      const lost = stored.size > next ? ': its tail was deleted' : '';
      const message = `audit_trees counts ${stored.size} leaves, but ${next} exist${lost}`;
      context.report({ kind: 'tree_size', log, leaf: Math.min(stored.size, next), message });
    } else if (!this.broken && !stored.peaks.equals(this.tree.encodePeaks())) {
      const message = 'the hashes in audit_trees do not match the leaves';
      context.report({ kind: 'tree_peaks', log, message });
    }
  }

  private find(kind: FindingKind, row: LeafRow, message: string): void {
    const { leaf_index: leaf, event_id: event } = row;
    this.context.report({ kind, log: this.logId, leaf, event, message });
  }

  /** @returns whether the event is the one that was sealed */
  private checkEvent(row: LeafRow): boolean {
    const { id } = row;
    if (id === null) {
      this.find(
        'event_missing',
        row,
        'it was sealed, but is no longer in audit_logs: it was deleted',
      );
      return false;
    }
    const isOthers = row.tenant_id !== this.tenantId;
    const whose = row.tenant_id === null ? 'no tenant' : `tenant ${row.tenant_id}`;
    if (!row.common_era || !hashOf({ ...row, id }).equals(row.leaf_hash)) {
      const more = isOthers ? `; it now claims to belong to ${whose}` : '';
      this.find(
        'event_changed',
        row,
        `it differs from the event that was sealed at ${row.sealed_at}${more}`,
      );
      return false;
    }
    if (row.foreign_number !== undefined) {
      const message = `its details contain the number ${shorten(row.foreign_number)}. No server writes a number in this form, and it has the same hash as another number: it was changed, or inserted by hand`;
      this.find('number_changed', row, message);
    }
    if (isOthers) this.find('wrong_tenant', row, `it belongs to ${whose}, but is in another log`);
    return true;
  }

  private checkTimes(row: LeafRow, genuine: boolean): void {
    const step = row.sealed_at === this.lastSealedAt ? undefined : this.enterBatch(row);
    if (step) {
      this.steps += 1;
      this.step ??= step;
    }
    if (!genuine) return;
    if (this.times.isLate(row.occurred_at)) this.late += 1;
    const objection = this.times.objectionTo(row.occurred_at);
    if (objection) this.find(objection.kind, row, objection.message);
  }

  private enterBatch(row: LeafRow): StepNotice | undefined {
    const { sealed_at: sealedAt, leaf_index: leaf } = row;
    this.lastSealedAt = sealedAt;
    if (sealedAt > this.soonest) this.ahead ??= { leaf, at: sealedAt };
    const step = this.times.enter(sealedAt);
    return step && { leaf, ...step };
  }
}

/** Shortens a number for a message; Postgres allows very long ones. */
const shorten = (number: string): string =>
  number.length > 40 ? `${number.slice(0, 40)}… (${number.length} characters)` : number;

const hashOf = (event: SealedEvent): Buffer => hashLeaf(Buffer.from(toLeafEntry(event)));
