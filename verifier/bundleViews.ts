import type { BundleFiles } from './listedFiles';
import { EventFile } from './eventFile';
import type { EventRow, RowDecoder } from './eventRow';
import { eventTablesOf } from './eventTables';
import { FileMeter } from './fileMeter';
import type { BundleFormat } from './formats';
import { plural, say } from './inspection';
import type { Inspection } from './inspection';
import { LogView } from './logView';
import type { ListedFile, Manifest } from './readManifest';
import { findDifference } from './rowDifference';
import { TableRows } from './tableRows';
import { unpack, ZipDamage } from './zipFile';
import type { PackedFile } from './zipFile';

const areSame = (one: ReadonlySet<string> | undefined, list: readonly string[]): boolean =>
  one?.size === list.length && list.every((action) => one.has(action));

/**
 * Returns the actions of a view as its format fixes them. The manifest only chooses between the
 * lists that releases of one format wrote.
 */
const actionsOf = (
  file: ListedFile,
  lists: BundleFormat['views'][string],
): readonly string[] | undefined => lists.find((list) => areSame(file.actions, list)) ?? lists[0];

const unrecordedNotice = ({ name, unrecorded }: TableRows): string =>
  `${plural(unrecorded, 'row')} of ${name} without a leaf: changes in the database itself that no event records. Nothing but the signature vouches for what they say.`;

const statesNotice = ({ name, states }: TableRows): string =>
  `${plural(states, 'row')} of ${name} without a leaf: what was in force by the database. Compare them with the events of the log; only the signature vouches for them.`;

/**
 * Every file of a bundle that shows some events of audit-log: the views, which repeat rows of it,
 * and the tables, whose rows are derived from its events.
 */
export class BundleViews {
  private readonly views: LogView[] = [];
  private readonly tables: TableRows[];

  constructor(
    private readonly inspection: Inspection,
    private readonly manifest: Manifest,
    private readonly files: BundleFiles,
    private readonly decoder: () => RowDecoder,
  ) {
    const { add } = inspection.findings;
    const { header } = decoder();
    const { format, bundleFormat, files: listed } = manifest;
    for (const file of listed) {
      const name = file.name.replace(`.${format}`, '');
      const lists = file.name.endsWith(`.${format}`) ? bundleFormat.views[name] : undefined;
      const actions = lists && actionsOf(file, lists);
      if (actions) this.views.push(new LogView(file, new Set(actions), header));
      if (actions ? areSame(file.actions, actions) : !file.actions) continue;
      const message = `the manifest gives it other actions than format ${bundleFormat.number} does`;
      add({ kind: 'view_actions', file: file.name, message });
    }
    this.tables = eventTablesOf(bundleFormat.number).map(
      (table) => new TableRows(table, `${table.name}.csv`, add),
    );
  }

  /** Call it for each row of audit-log, with the bytes of the row. */
  watch(row: EventRow, bytes: Buffer): void {
    for (const view of this.views) view.watch(row, bytes);
    for (const table of this.tables) table.watch(row, () => this.decoder().event(bytes));
  }

  /** Reads each table of events once. Call it after audit-log was read to its end. */
  async checkTables(): Promise<void> {
    for (const table of this.tables) {
      const file = this.files.find(table.name);
      if (file) await this.checkTable(table, file);
      if (table.unrecorded > 0) this.inspection.notices.push(unrecordedNotice(table));
      if (table.states > 0) this.inspection.notices.push(statesNotice(table));
    }
  }

  /** Compares each view with audit-log. Call it after every file was measured. */
  async checkViews(): Promise<void> {
    for (const view of this.views) await this.checkView(view);
  }

  say(): void {
    const names = this.views.map(({ file }) => file.name).join(', ');
    const counts = this.views.map((view) => plural(view.actions.size, 'action'));
    const tables = plural(this.tables.length, 'table');
    say(
      this.inspection,
      'views',
      `${names}: exactly the rows of audit-log with its ${counts.join(', ')}; ${tables} of events match their leaves`,
    );
  }

  private async checkTable(table: TableRows, file: PackedFile): Promise<void> {
    const meter = new FileMeter(table.name);
    const chunks = unpack(file);
    async function* metered(): AsyncGenerator<Buffer> {
      for await (const chunk of chunks) {
        meter.add(chunk);
        yield chunk;
      }
    }
    try {
      // A file that cannot be read as a table is measured later, with the rest.
      if (await table.check(metered())) this.files.note(table.name, meter.facts(), undefined);
    } catch (error) {
      if (!(error instanceof ZipDamage)) throw error;
      this.files.note(table.name, undefined, error);
    }
  }

  private async checkView(view: LogView): Promise<void> {
    const { name } = view.file;
    const found = this.files.factsOf(name);
    const [expected, file] = [view.facts(), this.files.find(name)];
    if (!found || !file) return;
    const population = this.files.find(`audit-log.${this.manifest.format}`);
    if (found.sha256 === expected.sha256 || !population) return;
    const open = (packed: PackedFile) =>
      new EventFile(packed.entry.name, unpack(packed), this.decoder());
    const difference = await findDifference(open(population), open(file), view);
    this.inspection.findings.add({ kind: 'view_differs', file: name, ...difference });
  }
}
