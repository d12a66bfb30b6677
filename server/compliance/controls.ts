import { describeBundle } from './bundleFiles';
import { CRITERIA } from './criteria';
import type { ControlRow } from './criteria';
import type { ExportFormat } from './exportInput';

/** A criterion with a file that answers it: a row of controls.csv. */
export interface Control extends ControlRow {
  /** The name of the file, with the extension that it has in this bundle. */
  readonly file: string;
}

const PLACES = { first: 0, last: 2 } as const;
const placeOf = ({ place }: ControlRow) => (place === undefined ? 1 : PLACES[place]);
const ORDER = Object.keys(CRITERIA);

/** Returns the rows of controls.csv by criterion, in the order in which an auditor reads the files. */
export const listControls = (format: ExportFormat): Control[] =>
  describeBundle(format)
    .flatMap(({ name, controls }) => controls.map((row) => ({ ...row, file: name })))
    .sort(
      (one, other) =>
        ORDER.indexOf(one.criterion) - ORDER.indexOf(other.criterion) ||
        placeOf(one) - placeOf(other),
    );

const HEADER = ['criterion', 'what_it_asks', 'file', 'what_to_look_for', 'what_it_does_not_show'];
const quote = (cell: string) => `"${cell.replaceAll('"', '""')}"`;

/** Returns the text of controls.csv, for a reader who has never seen the product. */
export function writeControls(controls: readonly Control[]): string {
  const rows = controls.map(({ criterion, file, lookFor, limits }) => [
    criterion,
    CRITERIA[criterion],
    file,
    lookFor,
    limits,
  ]);
  return [HEADER, ...rows].map((cells) => `${cells.map(quote).join(',')}\r\n`).join('');
}
