import { createHash } from 'node:crypto';
import type { EventRow } from './eventRow';
import type { FileFacts } from './fileMeter';
import type { ListedFile } from './readManifest';

const BLOCK_BYTES = 65_536;

/**
 * The expected content of a view of audit-log, byte by byte: the header and the rows of its
 * actions.
 */
export class LogView {
  private readonly hash = createHash('sha256');
  private readonly block = Buffer.alloc(BLOCK_BYTES);
  private used = 0;
  private bytes = 0;
  private rows = 0;
  /** The leaves of its first row and of its last row. */
  span: { first: number; last: number } | undefined;

  constructor(
    readonly file: ListedFile,
    readonly actions: ReadonlySet<string>,
    header: Buffer,
  ) {
    this.add(header);
  }

  shows(row: EventRow): boolean {
    return row.problem === undefined && this.actions.has(row.action);
  }

  /** Call it for each row of audit-log. */
  watch(row: EventRow, bytes: Buffer): void {
    if (!this.shows(row)) return;
    this.rows += 1;
    this.span = { first: this.span?.first ?? row.leaf, last: row.leaf };
    this.add(bytes);
  }

  /** Returns the expected facts of the file. Call it once, at the end. */
  facts(): FileFacts {
    this.hash.update(this.block.subarray(0, this.used));
    return { bytes: this.bytes, sha256: this.hash.digest('hex'), rows: this.rows };
  }

  /**
   * Collects rows in a block, because hashing many rows at once is faster than hashing each one.
   */
  private add(bytes: Buffer): void {
    this.bytes += bytes.length;
    if (this.used + bytes.length > BLOCK_BYTES) {
      this.hash.update(this.block.subarray(0, this.used));
      this.used = 0;
    }
    if (bytes.length > BLOCK_BYTES) this.hash.update(bytes);
    else {
      bytes.copy(this.block, this.used);
      this.used += bytes.length;
    }
  }
}
