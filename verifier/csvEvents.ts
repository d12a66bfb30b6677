import { hash } from 'node:crypto';
import type { Json } from '../tlog/canonicalJson';
import { GUARDED, splitRecord, unguard } from './csvRecords';
import type { EventRow, RowDecoder } from './eventRow';
import { isInstant } from './eventRow';
import { toCanonical } from './jsonText';
import { toLeafEvent } from './leafEvent';
import type { LeafEvent } from './leafEvent';
import { decodeText } from './members';

const COLUMNS = [
  'leaf_index',
  'id',
  'occurred_at',
  'sealed_at',
  'action',
  'outcome',
  'actor',
  'subject',
  'on_behalf_of',
  'session_id',
  'ip',
  'country',
  'user_agent',
  'correlation_id',
  'details',
] as const;
type ColumnName = (typeof COLUMNS)[number];
const columnOf = (name: ColumnName): number => COLUMNS.indexOf(name);
const [LEAF, ID, OCCURRED, SEALED, ACTION, DETAILS] = (
  ['leaf_index', 'id', 'occurred_at', 'sealed_at', 'action', 'details'] as const
).map(columnOf) as [number, number, number, number, number, number];
const NULLABLE = new Set(
  (['subject', 'on_behalf_of', 'session_id', 'ip', 'country', 'user_agent'] as const).map(columnOf),
);

/**
 * The members of a leaf's entry in their order. The value of `tenant_id` comes from the manifest.
 */
const MEMBERS: readonly (ColumnName | 'tenant_id')[] = [...COLUMNS, 'tenant_id' as const].sort();

const [QUOTE, COMMA, CR, LF, APOSTROPHE] = [0x22, 0x2c, 0x0d, 0x0a, 0x27];
/** Bytes that need no quotation marks in CSV and no escape in JSON. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x7f && byte !== QUOTE && byte !== 0x5c ? 1 : 0,
);
/** The ASCII characters that the apostrophe rule is about, if a cell starts with them. */
const STARTS = Uint8Array.from({ length: 256 }, (_, byte) =>
  "'=+-@".includes(String.fromCharCode(byte)) ? 1 : 0,
);

const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const NULL = ascii('null');
const EMPTY_DETAILS = ascii('{}');
const PREFIXES = MEMBERS.map((name, index) => ascii(`${index === 0 ? '{' : ','}"${name}":`));
const ORDER = MEMBERS.map((name) => (name === 'tenant_id' ? -1 : columnOf(name)));

/** The forms of a cell. The bytes of a plain cell are its text. */
const FORM = { NULL: 0, PLAIN: 1, QUOTED: 2 } as const;

/** A cache pays off because details are short and repeat often. */
const REMEMBERED_DETAILS = 2000;
const LONGEST_REMEMBERED = 500;

/**
 * Reads the events of a CSV file and computes the hashes of their leaves. It handles most of them
 * byte by byte, without creating strings.
 */
export class CsvEvents implements RowDecoder {
  readonly header = Buffer.from(`${COLUMNS.join(',')}\r\n`);
  private readonly tenant: Uint8Array;
  private readonly starts = new Int32Array(COLUMNS.length);
  private readonly ends = new Int32Array(COLUMNS.length);
  private readonly forms = new Uint8Array(COLUMNS.length);
  private cells = 0;
  private entry = Buffer.alloc(65_536);
  private length = 0;
  private sealedBytes: Buffer = Buffer.alloc(0);
  private sealedAt = '';
  private problem: string | undefined;
  private readonly actions = new Map<string, string>();
  private readonly details = new Map<string, Buffer>();

  constructor(tenantId: string) {
    this.tenant = ascii(JSON.stringify(tenantId));
  }

  decode(bytes: Buffer, at: number, row: EventRow): number {
    this.problem = undefined;
    const end = this.split(bytes, at);
    if (end < 0) return -1;
    if (this.cells !== COLUMNS.length) {
      this.problem ??= `it has ${this.cells} cells, not ${COLUMNS.length}`;
    }
    if (!this.hasProblem()) this.read(bytes, end - at, row);
    row.problem = this.problem;
    return end;
  }

  event(bytes: Buffer): LeafEvent {
    const cells = splitRecord(bytes.toString('utf8').replace(/\r\n$/, ''));
    const member = (name: string) => {
      const cell = cells[columnOf(name as ColumnName)] ?? null;
      return cell === null ? null : unguard(cell);
    };
    return toLeafEvent(
      member,
      Number(cells[LEAF]),
      JSON.parse(member('details') ?? 'null') as Json,
    );
  }

  private hasProblem(): boolean {
    return this.problem !== undefined;
  }

  /** Finds the cells of a row. @returns the index after the row, or -1 if more bytes are needed */
  private split(bytes: Buffer, from: number): number {
    const { length } = bytes;
    this.cells = 0;
    let at = from;
    for (;;) {
      if (at >= length) return -1;
      const start = at;
      let form: number = FORM.PLAIN;
      let inset = 0;
      if (bytes[at] === QUOTE) {
        at = this.endOfQuoted(bytes, at + 1);
        if (at < 0) return -1;
        if (!isPlain(bytes, start + 1, at - 1)) form = FORM.QUOTED;
        else inset = 1;
      } else {
        while (at < length && PLAIN[bytes[at] ?? 0] === 1 && bytes[at] !== COMMA) at += 1;
        if (at < length && bytes[at] !== COMMA && bytes[at] !== CR) {
          form = FORM.QUOTED;
          at = endOfBare(bytes, at);
        }
        if (at >= length) return -1;
        if (at === start) form = FORM.NULL;
      }
      if (this.cells < COLUMNS.length) {
        this.starts[this.cells] = start + inset;
        this.ends[this.cells] = at - inset;
        this.forms[this.cells] = form;
      }
      this.cells += 1;
      if (at >= length) return -1;
      if (bytes[at] === COMMA) {
        at += 1;
        continue;
      }
      if (at + 1 >= length) return -1;
      if (bytes[at] === CR && bytes[at + 1] === LF) return at + 2;
      this.problem = 'it is not CSV as RFC 4180 defines it';
      const end = bytes.indexOf('\r\n', at, 'latin1');
      return end < 0 ? -1 : end + 2;
    }
  }

  private endOfQuoted(bytes: Buffer, from: number): number {
    for (let at = from; ;) {
      const quote = bytes.indexOf(QUOTE, at);
      if (quote < 0 || quote + 1 >= bytes.length) return -1;
      if (bytes[quote + 1] !== QUOTE) return quote + 1;
      at = quote + 2;
    }
  }

  private read(bytes: Buffer, rowLength: number, row: EventRow): void {
    // An escaped byte takes up to six bytes.
    const room = rowLength * 6 + 1024;
    if (room > this.entry.length) this.entry = Buffer.alloc(room);
    this.entry[0] = 0;
    this.length = 1;
    for (let member = 0; member < ORDER.length; member += 1) {
      this.put(PREFIXES[member] ?? NULL);
      const column = ORDER[member] ?? 0;
      if (column < 0) this.put(this.tenant);
      else this.putCell(bytes, column);
      if (this.hasProblem()) return;
    }
    this.entry[this.length++] = 0x7d;
    row.leaf = this.leafOf(bytes);
    row.id = this.plainText(bytes, ID);
    row.occurredAt = this.plainText(bytes, OCCURRED);
    row.sealedAt = this.sealedOf(bytes);
    row.action = this.plainText(bytes, ACTION);
    if (!isInstant(row.occurredAt) || !isInstant(row.sealedAt)) {
      this.problem = 'its times are not written as UTC with milliseconds';
    }
    row.hash = hash('sha256', this.entry.subarray(0, this.length), 'buffer');
  }

  private put(source: Uint8Array): void {
    const { entry } = this;
    let at = this.length;
    for (let index = 0; index < source.length; index += 1) entry[at++] = source[index] ?? 0;
    this.length = at;
  }

  private putCell(bytes: Buffer, column: number): void {
    const [start, end, form] = [
      this.starts[column] ?? 0,
      this.ends[column] ?? 0,
      this.forms[column],
    ];
    if (form === FORM.NULL) {
      if (NULLABLE.has(column)) this.put(NULL);
      else this.problem = `it has no ${COLUMNS[column] ?? ''}`;
      return;
    }
    if (column === DETAILS) this.putDetails(bytes, start, end);
    else if (form === FORM.PLAIN && STARTS[bytes[start] ?? 0] === 0) {
      const { entry } = this;
      let at = this.length;
      // leaf_index is a number, which JSON writes without quotation marks.
      if (column !== LEAF) entry[at++] = QUOTE;
      for (let index = start; index < end; index += 1) entry[at++] = bytes[index] ?? 0;
      if (column !== LEAF) entry[at++] = QUOTE;
      this.length = at;
    } else this.putText(bytes, column);
  }

  private putText(bytes: Buffer, column: number): void {
    const text = this.textOf(bytes, column);
    if (text !== undefined) this.length += this.entry.write(JSON.stringify(text), this.length);
  }

  /** Returns the text of a cell, with the apostrophe rule undone. */
  private textOf(bytes: Buffer, column: number): string | undefined {
    const [start, end] = [this.starts[column] ?? 0, this.ends[column] ?? 0];
    const isQuoted = bytes[start] === QUOTE;
    const raw = decodeText(
      isQuoted ? bytes.subarray(start + 1, end - 1) : bytes.subarray(start, end),
    );
    if (raw === undefined) this.problem = 'it is not UTF-8';
    else {
      const text = isQuoted ? raw.replaceAll('""', '"') : raw;
      const isGuarded = text.charCodeAt(0) === APOSTROPHE;
      const shown = isGuarded ? text.slice(1) : text;
      if (GUARDED.test(shown) === isGuarded) return shown;
      this.problem = `its ${COLUMNS[column] ?? ''} does not follow the apostrophe rule`;
    }
    return undefined;
  }

  private putDetails(bytes: Buffer, start: number, end: number): void {
    if (end - start === 2 && bytes[start] === 0x7b && bytes[start + 1] === 0x7d) {
      this.put(EMPTY_DETAILS);
      return;
    }
    const isShort = end - start <= LONGEST_REMEMBERED;
    const key = isShort ? bytes.toString('latin1', start, end) : '';
    const known = isShort ? this.details.get(key) : undefined;
    if (known) {
      this.put(known);
      return;
    }
    const text = this.textOf(bytes, DETAILS);
    const canonical = text === undefined ? undefined : toCanonical(text);
    if (canonical === undefined) {
      this.problem ??=
        'its details are not JSON with one meaning: a name occurs twice, or the JSON is malformed';
      return;
    }
    const made = Buffer.from(canonical);
    if (isShort) {
      if (this.details.size >= REMEMBERED_DETAILS) this.details.clear();
      this.details.set(key, made);
    }
    this.put(made);
  }

  private leafOf(bytes: Buffer): number {
    const [start, end] = [this.starts[LEAF] ?? 0, this.ends[LEAF] ?? 0];
    let leaf = 0;
    for (let at = start; at < end; at += 1) leaf = leaf * 10 + (bytes[at] ?? 0) - 0x30;
    if (!Number.isSafeInteger(leaf) || String(leaf) !== bytes.toString('latin1', start, end)) {
      this.problem = 'its leaf_index is not a whole number';
    }
    return leaf;
  }

  /** Caches the last text, because many events are sealed at the same time. */
  private sealedOf(bytes: Buffer): string {
    const [start, end] = [this.starts[SEALED] ?? 0, this.ends[SEALED] ?? 0];
    const { sealedBytes } = this;
    if (
      sealedBytes.length === end - start &&
      bytes.compare(sealedBytes, 0, end - start, start, end) === 0
    ) {
      return this.sealedAt;
    }
    this.sealedBytes = Buffer.from(bytes.subarray(start, end));
    this.sealedAt = this.plainText(bytes, SEALED);
    return this.sealedAt;
  }

  private plainText(bytes: Buffer, column: number): string {
    const [start, end] = [this.starts[column] ?? 0, this.ends[column] ?? 0];
    if (this.forms[column] !== FORM.PLAIN) return this.textOf(bytes, column) ?? '';
    return bytes.toString('latin1', start, end);
  }
}

/**
 * Returns whether a quoted cell needs no decoding. Most cells are quoted only because they contain
 * a comma.
 */
function isPlain(bytes: Buffer, from: number, end: number): boolean {
  for (let at = from; at < end; at += 1) if (PLAIN[bytes[at] ?? 0] === 0) return false;
  return true;
}

/**
 * Finds the end of a cell without quotation marks. It may hold any byte that neither separates
 * cells nor ends rows.
 */
function endOfBare(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    if (byte === COMMA || byte === CR || byte === LF || byte === QUOTE) return at;
    at += 1;
  }
  return at;
}
