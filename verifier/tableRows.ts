import type { Json } from '../tlog/canonicalJson';
import { readRecords, splitRecord, unguard } from './csvRecords';
import { isSameJson, showsAction } from './eventTables';
import type { EventTable, Expected } from './expectedCells';
import type { EventRow } from './eventRow';
import type { Report } from './bundleFindings';
import { toCanonical } from './jsonText';
import type { LeafEvent } from './leafEvent';
import { FormError } from './members';

const LEAF = 'leaf_index';

function isAs(cell: string | null, expected: Expected): boolean {
  if (expected === undefined) return true;
  if (expected === null || typeof expected === 'string') return cell === expected;
  const canonical = cell === null ? undefined : toCanonical(unguard(cell));
  return canonical !== undefined && isSameJson(JSON.parse(canonical) as Json, expected.json);
}

/** A table of events, and the events of audit-log that it must show. */
export class TableRows {
  private readonly expected = new Map<number, LeafEvent>();
  private readonly seen = new Set<number>();
  private readonly columns: EventTable['columns'];
  /**
   * The number of rows about changes that no event records. Such rows cannot be compared with
   * anything.
   */
  unrecorded = 0;
  /** The number of rows that show a state of the database. */
  states = 0;

  constructor(
    private readonly table: EventTable,
    /** The name of the file, with its extension. */
    readonly name: string,
    private readonly report: Report,
  ) {
    this.columns = { ...table.columns, ...table.newerColumns };
  }

  /** Call it for each row of audit-log. @param read reads the full event of the row */
  watch({ problem, action, leaf }: EventRow, read: () => LeafEvent): void {
    if (problem !== undefined || !showsAction(this.table, action)) return;
    const event = read();
    if (event.outcome === 'success' || !this.table.isOfSuccess) this.expected.set(leaf, event);
  }

  /**
   * Compares every row of the table with its leaf.
   * @returns whether the table could be read to its end
   */
  async check(chunks: AsyncIterable<Buffer>): Promise<boolean> {
    let header: (string | null)[] | undefined;
    let row = 0;
    let isWhole = true;
    try {
      for await (const record of readRecords(chunks)) {
        if (header) this.checkRow((row += 1), header, splitRecord(record));
        else header = this.checkHeader(splitRecord(record));
      }
    } catch (error) {
      if (!(error instanceof FormError)) throw error;
      isWhole = false;
      this.find({ row: row + 1, message: error.message });
    }
    this.end();
    return isWhole;
  }

  private find(finding: { row?: number; leaf?: number; event?: string; message: string }): void {
    this.report({ kind: 'view_differs', file: this.name, ...finding });
  }

  private checkHeader(header: (string | null)[]): (string | null)[] {
    const lacks = Object.keys(this.table.columns).filter((name) => !header.includes(name));
    if (lacks.length > 0) this.find({ message: `it has no column ${lacks.join(', ')}` });
    // With two columns of one name, two readers could each read another one.
    const doubled = header.filter((name, at) => header.indexOf(name) !== at);
    for (const name of new Set(doubled)) {
      this.find({ message: `it has more than one column ${name ?? 'without a name'}` });
    }
    return header;
  }

  private checkRow(row: number, header: (string | null)[], cells: (string | null)[]): void {
    const cellOf = (column: string) => cells[header.indexOf(column)] ?? null;
    const index = cellOf(LEAF);
    if (cells.length !== header.length) {
      this.find({ row, message: `it has ${cells.length} cells, not ${header.length}` });
      return;
    }
    if (index === null && this.checkWithoutLeaf(row, cellOf)) return;
    const leaf = Number(index);
    const event = this.expected.get(leaf);
    if (!event || index !== String(leaf)) {
      const whose = index === null ? 'it names no leaf' : `it names leaf ${index}`;
      this.find({ row, message: `${whose}, but audit-log has no such event for this table` });
      return;
    }
    const about = { row, leaf, event: event.id };
    if (this.seen.has(leaf)) this.find({ ...about, message: 'another row has the same leaf' });
    this.seen.add(leaf);
    for (const [column, expect] of Object.entries(this.columns)) {
      if (!header.includes(column) || isAs(cellOf(column), expect(event))) continue;
      this.find({ ...about, message: `its ${column} differs from that leaf` });
    }
  }

  /** @returns whether the table may have rows without a leaf */
  private checkWithoutLeaf(row: number, cellOf: (column: string) => string | null): boolean {
    const { unrecorded, states } = this.table;
    const fixed = unrecorded ?? states;
    if (!fixed) return false;
    if (unrecorded) this.unrecorded += 1;
    else this.states += 1;
    for (const [column, says] of Object.entries(fixed)) {
      if (cellOf(column) === says) continue;
      const should = says === null ? 'should be empty' : `should be ${says}`;
      this.find({ row, message: `it names no leaf, so its ${column} ${should}` });
    }
    return true;
  }

  private end(): void {
    for (const [leaf, { id: event, action }] of this.expected) {
      if (this.seen.has(leaf)) continue;
      const message = `it has no row for this event (${action}), which belongs in it`;
      this.find({ leaf, event, message });
    }
  }
}
