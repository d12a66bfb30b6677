import { logOf } from '../../../tlog/checkpoint';
import type { Checkpoint } from '../../../tlog/checkpoint';
import type { Believers } from '../../../tlog/believedKeys';
import type { Report } from './logFindings';
import type { KeptHead } from './headChecker';

/** A checkpoint that was handed out earlier, with the file and line that it was read from. */
export interface GivenCheckpoint {
  readonly where: string;
  readonly checkpoint: Checkpoint;
}

/** Collects the earlier checkpoints by log and checks their signatures. The same checkpoint given twice counts once. */
export class EarlierHeads {
  private readonly byLog = new Map<string, Map<number, KeptHead>>();
  given = 0;
  /** How many could not be compared, because no key of their log was given. */
  unvouched = 0;

  constructor(
    private readonly believers: Believers,
    private readonly report: Report,
  ) {}

  add({ where, checkpoint }: GivenCheckpoint): void {
    const { origin, size, root, note } = checkpoint;
    if (!this.believers.hasKeyOf(origin)) {
      this.unvouched += 1;
      return;
    }
    this.given += 1;
    const objection = this.believers.objectionTo(origin, note);
    if (objection !== undefined) {
      const message = `the checkpoint in ${where} (${origin}, size ${size}): ${objection}`;
      this.report({ kind: 'earlier_signature', message });
      return;
    }
    const log = logOf(origin);
    if (log === undefined) {
      const message = `the checkpoint in ${where} belongs to ${origin}, which is not a log of Gatehouse`;
      this.report({ kind: 'earlier_no_log', message });
      return;
    }
    const heads = this.byLog.get(log) ?? new Map<number, KeptHead>();
    this.byLog.set(log, heads);
    const same = heads.get(size);
    if (!same) heads.set(size, { where, size, root: Buffer.from(root) });
    else if (!same.root.equals(root)) {
      const message = `the checkpoints in ${same.where} and ${where} cover the same ${size} events, contradict each other, and are both signed: this proves that the log has two heads`;
      this.report({ kind: 'earlier_forked', log, leaf: size, message });
    }
  }

  /** Removes and returns the checkpoints of a log, the smallest first. */
  take(log: string): readonly KeptHead[] {
    const heads = [...(this.byLog.get(log)?.values() ?? [])];
    this.byLog.delete(log);
    return heads.sort((one, other) => one.size - other.size);
  }

  /**
   * Reports the checkpoints that remain, which belong to none of the logs. Call it once every log has been taken.
   * @param only the one log that was verified; undefined for all
   * @returns how many were of logs that were not verified
   */
  end(only: string | undefined): number {
    let passed = 0;
    for (const [log, heads] of this.byLog) {
      const [head] = heads.values();
      if (only !== undefined && log !== only) passed += heads.size;
      else if (head) {
        const which = heads.size === 1 ? 'belongs' : `and ${heads.size - 1} more belong`;
        const message = `the checkpoint in ${head.where} ${which} to a log that is not in this database: the log was deleted, or this is another database, or a backup from before the log began`;
        this.report({ kind: 'earlier_no_log', log, message });
      }
    }
    return passed;
  }
}
