import { BatchTimes } from '../tlog/batchTimes';
import type { EventFile } from './eventFile';
import type { EventRow } from './eventRow';
import type { Report } from './bundleFindings';
import type { LeafLines } from './leafLines';
import { LogSide } from './logSide';
import { momentsOf } from './readManifest';
import type { Manifest } from './readManifest';
import type { OtherStretches } from './otherStretch';
import { StrayList } from './strayList';
import { StretchEnds } from './stretchEnds';
import type { StretchTree } from './stretchTree';

export interface WalkInput {
  readonly manifest: Manifest;
  readonly population: EventFile;
  readonly edges: EventFile;
  /** Undefined if the file cannot be relied on. The tree is then computed from the events. */
  readonly lines: LeafLines | undefined;
  /** Undefined if the subtrees beside the stretch are not known. */
  readonly tree: StretchTree | undefined;
  /** The other bundles that were given. */
  readonly others: OtherStretches;
  readonly report: Report;
  readonly onLeaf?: ((done: number, of: number) => void) | undefined;
}

export interface WalkResult {
  /** Whether the tree has every leaf. */
  readonly isTreeWhole: boolean;
  readonly inRange: number;
  readonly beside: number;
  /** How often the database's clock was stepped back. */
  readonly clockSteps: number;
  /** How many events were sealed more than five minutes after they occurred. */
  readonly late: number;
}

/** Reads a file to its end, so that every row is checked. */
async function drain(side: LogSide): Promise<void> {
  for (;;) {
    while (!side.settle()) await side.file.fill();
    if (!side.row) return;
    side.take();
  }
}

/** Walks the two files of events and leaves.txt together, leaf by leaf. */
class StretchWalk {
  private readonly strays: StrayList;
  private readonly sides: readonly [LogSide, LogSide];
  private readonly times = new BatchTimes();
  private readonly start: string;
  private readonly end: string;
  private readonly ends: StretchEnds;
  private sealedAt = '';
  private isTreeWhole = true;
  private inRange = 0;
  private beside = 0;
  private clockSteps = 0;
  private late = 0;

  constructor(private readonly input: WalkInput) {
    const { manifest, report, population, edges } = input;
    const { log, range } = manifest;
    this.strays = new StrayList(report);
    this.sides = [
      new LogSide(population, true, log, this.strays, report),
      new LogSide(edges, false, log, this.strays, report),
    ];
    const moments = momentsOf(range);
    this.start = moments.start;
    this.end = moments.end;
    this.ends = new StretchEnds(manifest, moments);
  }

  async run(): Promise<WalkResult> {
    const { manifest, lines, onLeaf } = this.input;
    const { first, last } = manifest.log;
    const [one, other] = this.sides;
    for (let leaf = first; leaf <= last; leaf += 1) {
      // An `await` for data that is already in memory would take longer than all the other work.
      while (!one.settle()) await one.file.fill();
      while (!other.settle()) await other.file.fill();
      while (lines && !lines.isReady) await lines.fill();
      this.visit(leaf, lines?.next());
      if (onLeaf && leaf % 4096 === 0) onLeaf(leaf - first, last - first + 1);
    }
    // The leaf of every remaining row was passed already, or lies outside the stretch.
    for (const side of this.sides) await drain(side);
    this.endFiles();
    const { isTreeWhole, inRange, beside, clockSteps, late } = this;
    return { isTreeWhole, inRange, beside, clockSteps, late };
  }

  private visit(leaf: number, line: Buffer | undefined): void {
    const [one, other] = this.sides;
    const [due, beside] = [one.row, other.row].map((row) => (row?.leaf === leaf ? row : undefined));
    let hash: Buffer | undefined;
    if (due) {
      hash = this.accept(one, due, line);
      one.take();
    }
    if (beside) {
      if (due) this.strays.late(other.file.name, beside);
      else hash = this.accept(other, beside, line);
      other.take();
    }
    if (hash) this.strays.found(leaf);
    else hash = this.strays.lacks(leaf, line);
    if (!line) this.reportLine(leaf);
    this.grow(line ?? hash);
  }

  private reportLine(leaf: number): void {
    const { lines, report, manifest } = this.input;
    if (!lines || lines.damage) return;
    const row = leaf - manifest.log.first + 1;
    const message = 'it is not a hash in base64 with a line feed after it';
    report({ kind: 'leaves_malformed', file: 'leaves.txt', row, leaf, message });
  }

  private grow(leafHash: Buffer | undefined): void {
    if (!leafHash) this.isTreeWhole = false;
    else if (this.isTreeWhole) this.input.tree?.append(leafHash);
  }

  private accept(side: LogSide, row: EventRow, line: Buffer | undefined): Buffer {
    if (side.isRange) this.inRange += 1;
    else this.beside += 1;
    const { leaf, hash } = row;
    const isGenuine = !line || line.equals(hash);
    if (!isGenuine) {
      this.find(
        side,
        row,
        'event_changed',
        'it differs from the event that was sealed as this leaf',
      );
    }
    if (row.sealedAt !== this.sealedAt && isGenuine) {
      this.sealedAt = row.sealedAt;
      if (this.times.enter(row.sealedAt)) this.clockSteps += 1;
      this.ends.enter(leaf, row.sealedAt);
    }
    if (!isGenuine) return hash;
    if (this.times.isLate(row.occurredAt)) this.late += 1;
    const objection = this.times.objectionTo(row.occurredAt);
    if (objection) this.find(side, row, objection.kind, objection.message);
    this.checkRange(side, row);
    this.input.others.visit(row, side.file.name);
    for (const message of this.ends.objectionsTo(leaf)) {
      this.find(side, row, 'range_open', message);
    }
    return hash;
  }

  private checkRange(side: LogSide, row: EventRow): void {
    const { occurredAt } = row;
    const isIn = occurredAt >= this.start && occurredAt < this.end;
    if (isIn === side.isRange) return;
    const { from, to } = this.input.manifest.range;
    const when = `it occurred at ${occurredAt}`;
    if (isIn) this.find(side, row, 'range_in_edges', `${when}: it belongs in audit-log`);
    else this.find(side, row, 'range_outside', `${when}, but the range is ${from} to ${to}`);
  }

  private find(
    side: LogSide,
    row: EventRow,
    kind:
      | 'event_changed'
      | 'back_dated'
      | 'post_dated'
      | 'range_open'
      | 'range_in_edges'
      | 'range_outside',
    message: string,
  ): void {
    const { leaf, id: event, number } = row;
    this.input.report({ kind, file: side.file.name, row: number, leaf, event, message });
  }

  private endFiles(): void {
    const { report, manifest } = this.input;
    for (const { file, span } of this.sides) {
      if (file.failure !== undefined) {
        report({ kind: 'row_malformed', file: file.name, message: file.failure });
      }
      if (file.failure !== undefined || file.damage) continue;
      const said = manifest.files.find(({ name }) => name === file.name)?.leaves;
      if (said?.first === span?.first && said?.last === span?.last) continue;
      const describe = (of: typeof span) => (of ? `leaves ${of.first} to ${of.last}` : 'no leaf');
      const message = `its rows are of ${describe(span)}, but the manifest says ${describe(said)}`;
      report({ kind: 'file_rows', file: file.name, message });
    }
    // If rows could not be read, only that is reported, and not each missing row as well.
    const unread = this.sides.find(({ file }) => file.failure !== undefined || file.damage);
    if (!unread) this.strays.end();
    else {
      const message =
        'its rows could not be read to the end, so it is unknown which events are missing';
      report({ kind: 'events_unread', file: unread.file.name, message });
    }
  }
}

/**
 * Compares each event with its leaf, in order, and computes the tree. An error in one place does
 * not stop the checks of the rest.
 */
export const walkStretch = (input: WalkInput): Promise<WalkResult> => new StretchWalk(input).run();
