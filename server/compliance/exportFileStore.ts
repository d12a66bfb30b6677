import { GUARDED_STARTS } from './formulaCells';
import type { ExportFormat } from './exportInput';

/**
 * How a column is written: `text` may hold anything; `token` holds UUIDs and enum values, which need neither
 * quoting nor guarding; `instant` is a timestamptz, `jsonb` any JSON, `literal` a JSON array or a boolean.
 */
type ColumnKind = 'text' | 'token' | 'instant' | 'jsonb' | 'literal';
type Column = readonly [name: string, kind: ColumnKind, sql?: string];

export interface ExportFile {
  readonly name: string;
  /** What the file holds, for the manifest and the README. */
  readonly description: string;
  readonly columns: readonly Column[];
  /** FROM, WHERE and ORDER BY. */
  readonly from: string;
}

/** The settings that a snapshot makes before anything is read: COPY takes no parameters. */
export type SnapshotSetting = 'tenant_id' | 'range_start' | 'range_end' | 'security_actions';

// A scalar subquery is evaluated once; a bare current_setting() would be for every row.
const setting = (name: SnapshotSetting, type: string) =>
  `(SELECT current_setting('gatehouse.${name}')::${type})`;
const TENANT = setting('tenant_id', 'uuid');
const START = setting('range_start', 'timestamptz');
const END = setting('range_end', 'timestamptz');
const SECURITY_ACTIONS = `(SELECT string_to_array(current_setting('gatehouse.security_actions'), ','))::text[]`;

const EVENT_COLUMNS: readonly Column[] = [
  ['id', 'token'],
  ['occurred_at', 'instant'],
  ['action', 'text'],
  ['outcome', 'token'],
  ['actor', 'text'],
  ['subject', 'text'],
  ['on_behalf_of', 'token'],
  ['session_id', 'token'],
  ['ip', 'text'],
  ['country', 'text', 'country::text'],
  ['user_agent', 'text'],
  ['correlation_id', 'text'],
  ['details', 'jsonb'],
];
const EVENTS_OF_RANGE = `FROM audit_logs e
  WHERE e.tenant_id = ${TENANT} AND e.occurred_at >= ${START} AND e.occurred_at < ${END}`;
// The order of idx_audit_logs_tenant_time: rows leave as they are read, and nothing is sorted. Without the
// e., the names would mean the formatted columns, and Postgres would sort all of them first.
const EVENT_ORDER = 'ORDER BY e.occurred_at, e.id';

const AUDIT_LOG: ExportFile = {
  name: 'audit-log',
  description: 'Every audit event of the tenant in the range: the complete population.',
  columns: EVENT_COLUMNS,
  from: `${EVENTS_OF_RANGE} ${EVENT_ORDER}`,
};

const SECURITY_EVENTS: ExportFile = {
  name: 'security-events',
  description: 'The events of audit-log whose action is a security event, with the same columns.',
  columns: EVENT_COLUMNS,
  from: `${EVENTS_OF_RANGE} AND e.action = ANY (${SECURITY_ACTIONS}) ${EVENT_ORDER}`,
};

/** One entry a device: two authenticators are two chances to lose one. Codes on paper count as one. */
const FACTORS = `array_to_json(
      ARRAY(SELECT 'passkey' FROM passkeys p WHERE p.tenant_id = s.tenant_id AND p.staff_id = s.id)
      || ARRAY(SELECT 'totp' FROM user_totp t
               WHERE t.tenant_id = s.tenant_id AND t.staff_id = s.id AND t.confirmed_at IS NOT NULL)
      || CASE WHEN EXISTS (SELECT FROM recovery_codes r
               WHERE r.tenant_id = s.tenant_id AND r.staff_id = s.id AND r.used_at IS NULL)
         THEN ARRAY['recovery_code'] ELSE '{}' END)`;

const ACCESS_REVIEW: ExportFile = {
  name: 'access-review',
  description:
    'Every staff member of the tenant, past ones included, as of the moment of the export, with permissions, second factors and the last sign-in.',
  columns: [
    ['staff_id', 'token', 's.id'],
    ['email', 'text', 'u.email'],
    ['status', 'token', 's.status'],
    ['account_status', 'token', 'u.status'],
    [
      'permissions',
      'literal',
      `array_to_json(ARRAY(SELECT p FROM unnest(s.permissions) AS p ORDER BY p COLLATE "C"))`,
    ],
    ['factors', 'literal', FACTORS],
    ['created_at', 'instant', 's.created_at'],
    ['disabled_at', 'instant', 's.disabled_at'],
    ['last_sign_in_at', 'instant', 'l.last_sign_in_at'],
  ],
  from: `FROM tenant_staff s
  JOIN users u ON u.id = s.user_id
  LEFT JOIN (
    SELECT staff_id, max(created_at) AS last_sign_in_at
    FROM user_sessions WHERE tenant_id = ${TENANT} GROUP BY staff_id
  ) l ON l.staff_id = s.id
  WHERE s.tenant_id = ${TENANT}
  ORDER BY s.created_at, s.id`,
};

const SESSIONS: ExportFile = {
  name: 'sessions',
  description:
    'Every session that was alive at some moment of the range, with when and why it ended.',
  columns: [
    ['id', 'token', 's.id'],
    ['staff_id', 'token', 's.staff_id'],
    ['email', 'text', 'u.email'],
    ['created_at', 'instant', 's.created_at'],
    ['last_seen_at', 'instant', 's.last_seen_at'],
    ['expires_at', 'instant', 's.expires_at'],
    ['revoked_at', 'instant', 's.revoked_at'],
    ['revoke_reason', 'token', 's.revoke_reason'],
    ['remember_me', 'literal', 's.remember_me'],
    ['ip', 'text', 's.ip'],
    ['country', 'text', 's.country::text'],
    ['user_agent', 'text', 's.user_agent'],
  ],
  from: `FROM user_sessions s
  JOIN users u ON u.id = s.user_id
  WHERE s.tenant_id = ${TENANT} AND s.created_at < ${END} AND s.expires_at > ${START}
    AND (s.revoked_at IS NULL OR s.revoked_at > ${START})
  ORDER BY s.created_at, s.id`,
};

const GUARDED_CODES = GUARDED_STARTS.map((start) => start.codePointAt(0)).join(', ');

const guarded = (sql: string) =>
  `CASE WHEN ascii(${sql}) IN (${GUARDED_CODES}) THEN '''' || ${sql} ELSE ${sql} END`;
const isoTime = (sql: string) =>
  `to_char(${sql} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
const quotedOrNull = (sql: string) => `coalesce('"' || ${sql} || '"', 'null')`;

const CSV_CELL: Record<ColumnKind, (sql: string) => string> = {
  text: guarded,
  token: (sql) => sql,
  instant: isoTime,
  // Of all JSON texts, only a bare negative number starts like a formula.
  jsonb: (sql) =>
    `CASE jsonb_typeof(${sql}) WHEN 'number' THEN ${guarded(`${sql}::text`)} ELSE ${sql}::text END`,
  literal: (sql) => `${sql}::text`,
};

const JSON_VALUE: Record<ColumnKind, (sql: string) => string> = {
  text: (sql) => `coalesce(to_json(${sql})::text, 'null')`,
  token: quotedOrNull,
  instant: (sql) => quotedOrNull(isoTime(sql)),
  jsonb: (sql) => `coalesce(${sql}::text, 'null')`,
  literal: (sql) => `coalesce(${sql}::text, 'null')`,
};

function selectCsv({ columns, from }: ExportFile): string {
  const cells = columns.map(([name, kind, sql]) => `${CSV_CELL[kind](sql ?? name)} AS ${name}`);
  return `SELECT ${cells.join(', ')} ${from}`;
}

/** concat() builds a line twice as fast as row_to_json() does, and the lines are the same. */
function selectJson({ columns, from }: ExportFile): string {
  const members = columns.map(
    ([name, kind, sql], index) =>
      `'${index === 0 ? '{' : ','}"${name}":', ${JSON_VALUE[kind](sql ?? name)}`,
  );
  return `SELECT concat(${members.join(', ')}, '}') ${from}`;
}

const select = (source: ExportFile, format: ExportFormat) =>
  format === 'csv' ? selectCsv(source) : selectJson(source);

/**
 * One COPY statement without parameters: it reads the tenant and the range from the snapshot's settings.
 * JSON text holds no control characters, so with these two as quote and delimiter nothing in it is escaped.
 */
export function copyStatement(source: ExportFile, format: ExportFormat): string {
  const options =
    format === 'csv'
      ? 'FORMAT csv, HEADER true'
      : String.raw`FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02'`;
  return `COPY (${select(source, format)}) TO STDOUT WITH (${options})`;
}

/** Fails where the COPY would for want of a table or a column, and reads nothing. */
export const probeStatement = (source: ExportFile, format: ExportFormat): string =>
  `SELECT FROM (${select(source, format)}) AS probe LIMIT 0`;

export const SECURITY_EVENTS_FILE: ExportFile = SECURITY_EVENTS;
/** The data files of a bundle, in their order there. */
export const BUNDLE_FILES: readonly [ExportFile, ...ExportFile[]] = [
  AUDIT_LOG,
  SECURITY_EVENTS,
  ACCESS_REVIEW,
  SESSIONS,
];

/** A file's name with the extension of its format. */
export const fileName = (file: ExportFile, format: ExportFormat): string =>
  `${file.name}.${format === 'csv' ? 'csv' : 'jsonl'}`;
