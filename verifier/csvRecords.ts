import { FormError } from './members';

/** No row of a table comes near: what never ends is not gathered until memory does. */
const LONGEST_RECORD = 16_777_216;
const [QUOTE, LF] = [0x22, 0x0a];

/** The cells of a record of RFC 4180, without its line break; null for a cell that is empty and has no quotation marks. */
export function splitRecord(record: string): (string | null)[] {
  const cells: (string | null)[] = [];
  for (let at = 0; at <= record.length; at += 1) {
    if (record[at] !== '"') {
      const comma = record.indexOf(',', at);
      const end = comma < 0 ? record.length : comma;
      cells.push(end === at ? null : record.slice(at, end));
      at = end;
      continue;
    }
    let end = record.indexOf('"', at + 1);
    while (end >= 0 && record[end + 1] === '"') end = record.indexOf('"', end + 2);
    if (end < 0 || (end + 1 < record.length && record[end + 1] !== ',')) {
      throw new FormError('it is not CSV as RFC 4180 has it');
    }
    cells.push(record.slice(at + 1, end).replaceAll('""', '"'));
    at = end + 1;
  }
  return cells;
}

/** The records of a CSV file, each without its line break, as texts. @throws FormError where one does not end */
export async function* readRecords(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  let isQuoted = false;
  for await (const chunk of chunks) {
    let [from, at] = [0, rest.length];
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (; at < bytes.length; at += 1) {
      const byte = bytes[at];
      if (byte === QUOTE) isQuoted = !isQuoted;
      else if (byte === LF && !isQuoted) {
        yield bytes.toString('utf8', from, at).replace(/\r$/, '');
        from = at + 1;
      }
    }
    rest = bytes.subarray(from);
    if (rest.length > LONGEST_RECORD) throw new FormError('a row does not end');
  }
  if (rest.length > 0) throw new FormError('its last row is cut off');
}

/** README.txt states the rule: what starts like a formula, and the apostrophe itself, has an apostrophe before it. */
export const GUARDED = /^['=+\-@\t\n\r＝＋－＠]/;

/** A text as a cell of a table has it. */
export const guard = (text: string): string => (GUARDED.test(text) ? `'${text}` : text);

/** Takes the apostrophe of a cell away again. */
export const unguard = (cell: string): string => (cell.startsWith("'") ? cell.slice(1) : cell);
