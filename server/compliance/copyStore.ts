import { isoTime } from '../db/isoTime';
import type { ControlRow } from './criteria';
import type { ExportFormat } from './exportInput';

/**
 * How a column is written. `text` may hold anything; `token` holds UUIDs and enum values, which need neither quoting
 * nor guarding; `instant` is a timestamptz; `moment` is one with a year of four digits; `jsonb` is any JSON;
 * `literal` is a JSON array, a number or a boolean.
 */
type ColumnKind = 'text' | 'token' | 'instant' | 'moment' | 'jsonb' | 'literal';
export type Column = readonly [name: string, kind: ColumnKind, sql?: string];

/** Defines the rows of a file, so that anyone who counts them can tell what they have counted. */
export interface Population {
  /** The meaning of a row, and its source. */
  readonly of: string;
  /** The condition for a row to be in the file. */
  readonly filter: string;
}

export interface BundleFile {
  readonly name: string;
  /** Describes the file in the manifest, the README and the summary. */
  readonly description: string;
  /** The rows of controls.csv that name this file; empty only if the file answers no criterion by itself. */
  readonly controls: readonly ControlRow[];
}

/** A file of rows. Its name has no extension. */
export interface ExportFile extends BundleFile {
  readonly population: Population;
  readonly columns: readonly Column[];
  /** The FROM and WHERE clauses. */
  readonly from: string;
  /** The sort order, so that equal contents make equal files. */
  readonly order: string;
  /** A whole line of JSON as one expression, instead of the columns. */
  readonly line?: string;
  /** A log of events is written in the format that was asked for; a table is always CSV. */
  readonly isLog?: true;
  /** Only for a log that shows some of the actions: their names. */
  readonly actions?: readonly string[];
  /** Set if rows are read along an index, in its order: the planner must not gather and sort them first. */
  readonly walks?: true;
}

/** Settings that the snapshot makes before anything is read, because COPY takes no parameters. */
export interface SnapshotSettings {
  readonly tenant_id: string;
  readonly range_start: string;
  readonly range_end: string;
  readonly security_actions: string;
  /** The first and the last leaf of the stretch that the export covers. */
  readonly first_leaf: string;
  readonly last_leaf: string;
  /** How many leaves the export's signed head covers. */
  readonly tree_size: string;
  /** Events that did not occur in the range have leaves up to `edge_before`, or from `edge_after` on. */
  readonly edge_before: string;
  readonly edge_after: string;
}

/**
 * Returns a setting as an SQL expression. The scalar subquery is evaluated once; a bare current_setting() would be
 * evaluated for every row.
 */
export const setting = (name: keyof SnapshotSettings, type: string): string =>
  `(SELECT current_setting('gatehouse.${name}')::${type})`;

/** The tenant of an export, and its range: from START (inclusive) to END (exclusive). */
export const TENANT = setting('tenant_id', 'uuid');
export const START = setting('range_start', 'timestamptz');
export const END = setting('range_end', 'timestamptz');

/**
 * Joins leaves `l` to their events `e`, one at a time by key. OFFSET 0 keeps the planner from any other plan: it has
 * no statistics of rows that came since the last ANALYZE, and takes an index that holds the whole range for one that
 * holds a single row.
 */
export const EVENT_OF_LEAF =
  'JOIN LATERAL (SELECT * FROM audit_logs a WHERE a.id = l.event_id OFFSET 0) e ON true';
/** Joins events `e` to their leaves `l`, in the same way. */
export const LEAF_OF_EVENT =
  'JOIN LATERAL (SELECT log_id, leaf_index, sealed_at FROM audit_leaves a WHERE a.event_id = e.id OFFSET 0) l ON true';

/**
 * The characters that a spreadsheet takes for the start of a formula, with full-width forms and line breaks, and the
 * apostrophe itself. A cell that starts with an apostrophe gets one more, so removing one always undoes the rule.
 */
const GUARDED_STARTS = ["'", '=', '+', '-', '@', '\t', '\n', '\r', '＝', '＋', '－', '＠'];
const GUARDED_CODES = GUARDED_STARTS.map((start) => start.codePointAt(0)).join(', ');

const guarded = (sql: string) =>
  `CASE WHEN ascii(${sql}) IN (${GUARDED_CODES}) THEN '''' || ${sql} ELSE ${sql} END`;
/**
 * Returns SQL for `"2026-01-31T23:59:59.120` with further digits, in a session whose time zone is UTC. It takes half
 * as long as to_char(), which would take a third of the whole export. The added microsecond keeps trailing zeros.
 */
const quotedMoment = (sql: string) =>
  `to_json((${sql})::timestamp + '1 microsecond'::interval)::text`;
const quotedOrNull = (sql: string) => `coalesce('"' || ${sql} || '"', 'null')`;

const CSV_CELL: Record<ColumnKind, (sql: string) => string> = {
  text: guarded,
  token: (sql) => sql,
  instant: isoTime,
  moment: (sql) => `substr(${quotedMoment(sql)}, 2, 23) || 'Z'`,
  // Of all JSON texts, only a bare negative number starts like a formula.
  jsonb: (sql) =>
    `CASE jsonb_typeof(${sql}) WHEN 'number' THEN ${guarded(`${sql}::text`)} ELSE ${sql}::text END`,
  literal: (sql) => `(${sql})::text`,
};

const JSON_VALUE: Record<ColumnKind, (sql: string) => string> = {
  text: (sql) => `coalesce(to_json(${sql})::text, 'null')`,
  token: quotedOrNull,
  instant: (sql) => `coalesce(to_json(${isoTime(sql)})::text, 'null')`,
  moment: (sql) => `coalesce(left(${quotedMoment(sql)}, 24) || 'Z"', 'null')`,
  jsonb: (sql) => `coalesce(${sql}::text, 'null')`,
  literal: (sql) => `coalesce((${sql})::text, 'null')`,
};

function selectCsv({ columns, from, order }: ExportFile): string {
  const cells = columns.map(([name, kind, sql]) => `${CSV_CELL[kind](sql ?? name)} AS ${name}`);
  return `SELECT ${cells.join(', ')} ${from} ORDER BY ${order}`;
}

const compareNames = ([one]: Column, [other]: Column) => (one < other ? -1 : 1);

/**
 * Writes the members in the order of RFC 8785, with the tenant among them: a line of the log is then the entry of its
 * leaf, except for the content of `details`. No member is SQL null, which would make the whole line null.
 */
function selectJson({ columns, from, order, line }: ExportFile): string {
  if (line !== undefined) return `SELECT ${line} ${from} ORDER BY ${order}`;
  const tenant: Column = ['tenant_id', 'token', setting('tenant_id', 'text')];
  const members = [...columns, tenant]
    .sort(compareNames)
    .map(
      ([name, kind, sql], index) =>
        `'${index === 0 ? '{' : ','}"${name}":' || ${JSON_VALUE[kind](sql ?? name)}`,
    );
  return `SELECT ${members.join(' || ')} || '}' ${from} ORDER BY ${order}`;
}

/** Returns the format of a file if the caller asked for `asked`. */
export const formatOf = (
  { isLog }: Pick<ExportFile, 'isLog'>,
  asked: ExportFormat,
): ExportFormat => (isLog ? asked : 'csv');

const select = (file: ExportFile, asked: ExportFormat) =>
  formatOf(file, asked) === 'csv' ? selectCsv(file) : selectJson(file);

/**
 * Returns a COPY statement without parameters; it reads the tenant and the range from the snapshot's settings. JSON
 * text holds no control characters, so with these two as quote and delimiter nothing is escaped.
 */
export function copyStatement(file: ExportFile, asked: ExportFormat): string {
  const options =
    formatOf(file, asked) === 'csv'
      ? 'FORMAT csv, HEADER true'
      : String.raw`FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02'`;
  return `COPY (${select(file, asked)}) TO STDOUT WITH (${options})`;
}

/** Returns whether the rows of a file have places in the log. */
export const hasLeaves = ({ columns }: ExportFile): boolean =>
  columns.some(([name]) => name === 'leaf_index');

/**
 * Returns a query for the first and the last leaf of a file's rows. If the rows are read along an index, each search
 * ends at the first row that it finds.
 */
export function spanStatement({ from, walks }: ExportFile): string {
  if (!walks) return `SELECT min(l.leaf_index) AS first, max(l.leaf_index) AS last ${from}`;
  const outermost = (order: string) =>
    `(SELECT l.leaf_index ${from} ORDER BY l.leaf_index ${order} LIMIT 1)`;
  return `SELECT ${outermost('ASC')} AS first, ${outermost('DESC')} AS last`;
}

/** Returns a query that reads no rows, but fails if a table or a column that the COPY needs is missing. */
export const probeStatement = (file: ExportFile, asked: ExportFormat): string =>
  `SELECT FROM (${select(file, asked)}) AS probe LIMIT 0`;

const EXTENSIONS = { csv: 'csv', json: 'jsonl', ocsf: 'ocsf.jsonl' } as const;

/** Returns a file's name with the extension of its format. */
export const fileName = (file: ExportFile, asked: ExportFormat): string =>
  `${file.name}.${EXTENSIONS[formatOf(file, asked)]}`;
