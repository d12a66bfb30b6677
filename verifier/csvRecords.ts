import { FormError } from './members';

/**
 * The largest size of a record in bytes, far above any real one. Without it, a record that never
 * ends would fill the memory.
 */
const LONGEST_RECORD = 16_777_216;
const [QUOTE, LF] = [0x22, 0x0a];

/**
 * Splits a record of RFC 4180, given without its line break, into cells. A cell that is empty and
 * has no quotation marks is null.
 */
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
      throw new FormError('it is not CSV as RFC 4180 defines it');
    }
    cells.push(record.slice(at + 1, end).replaceAll('""', '"'));
    at = end + 1;
  }
  return cells;
}

/**
 * Reads the records of a CSV file as texts, each without its line break.
 * @throws FormError if a record does not end
 */
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

/**
 * The apostrophe rule, as README.txt states it: a text that starts like a formula, or with an
 * apostrophe, gets an apostrophe before it.
 */
export const GUARDED = /^['=+\-@\t\n\r＝＋－＠]/;

/** Returns a text as a cell of a table holds it. */
export const guard = (text: string): string => (GUARDED.test(text) ? `'${text}` : text);

/** Removes the apostrophe that {@link guard} added. */
export const unguard = (cell: string): string => (cell.startsWith("'") ? cell.slice(1) : cell);
