import type { Report } from './logFindings';
import { READ_COLUMNS } from './readColumns';

/** A relation in the schema; its kind is `r` if it is a table. */
export interface TableRow {
  name: string;
  kind: string;
}

export interface TriggerRow {
  table: string;
  name: string;
  /** As `pg_trigger` stores it. */
  enabled: string;
  /** As Postgres prints it with only the catalogue on the search path. */
  definition: string;
}

export interface FunctionRow {
  name: string;
  definition: string;
}

export interface KeyRow {
  table: string;
  columns: string;
}

export interface ColumnRow {
  table: string;
  name: string;
  definition: string;
  /** Whether writing a row evaluates something for this column: a default or an identity. */
  runs: boolean;
}

/** A feature that makes a table show other rows than it holds, or makes statements do something else. */
export interface DetourRow {
  kind: 'row_security' | 'table_inherits' | 'rewrite_rule';
  table: string;
  /** A description in a few words. */
  how: string;
}

export interface Guards {
  detours: readonly DetourRow[];
  tables: readonly TableRow[];
  triggers: readonly TriggerRow[];
  functions: readonly FunctionRow[];
  columns: readonly ColumnRow[];
  keys: readonly KeyRow[];
  /** For whom a setting switches the triggers off: this connection, a role, a database or the server. */
  bypasses: readonly string[];
  /** The source of this connection's own setting, as `pg_settings` names it, if it hides the server's setting. */
  hiding: string | undefined;
}

export const TABLES = [
  'audit_logs',
  'audit_leaves',
  'audit_nodes',
  'audit_trees',
  'audit_checkpoints',
  'audit_sealer',
  'evidence_keys',
] as const;

/** All tables that are read: `tenants` too, because a tenant's slug names its log. */
export const READ_TABLES = [...TABLES, 'tenants'] as const;

interface WantedTrigger {
  readonly table: string;
  readonly name: string;
  readonly fires: string;
  readonly calls: keyof typeof GUARD_FUNCTIONS;
}

const plpgsql = (body: string): string =>
  `RETURNS trigger LANGUAGE plpgsql AS $function$ BEGIN ${body} END $function$`;

const refusal = (message: string): string =>
  plpgsql(`RAISE EXCEPTION ${message} USING ERRCODE = 'insufficient_privilege';`);

/** The bodies of the triggers' functions. */
export const GUARD_FUNCTIONS = {
  audit_logs_refuse_change: refusal("'audit_logs is append-only: % is refused', TG_OP"),
  audit_trees_refuse_change: refusal("'% is append-only: % is refused', TG_TABLE_NAME, TG_OP"),
  audit_logs_set_transaction: plpgsql('NEW.transaction_id := pg_current_xact_id(); RETURN NEW;'),
} as const;

const KEPT = 'BEFORE DELETE OR TRUNCATE';
const APPEND_ONLY = 'BEFORE DELETE OR UPDATE OR TRUNCATE';

const TRIGGERS: readonly WantedTrigger[] = [
  ...['audit_leaves', 'audit_nodes', 'audit_checkpoints', 'evidence_keys'].map(
    (table): WantedTrigger => ({
      table,
      name: `${table}_append_only`,
      fires: APPEND_ONLY,
      calls: 'audit_trees_refuse_change',
    }),
  ),
  {
    table: 'audit_logs',
    name: 'audit_logs_append_only',
    fires: APPEND_ONLY,
    calls: 'audit_logs_refuse_change',
  },
  {
    table: 'audit_logs',
    name: 'audit_logs_transaction',
    fires: 'BEFORE INSERT',
    calls: 'audit_logs_set_transaction',
  },
  {
    table: 'audit_trees',
    name: 'audit_trees_kept',
    fires: KEPT,
    calls: 'audit_trees_refuse_change',
  },
];

/** Returns a trigger as Postgres prints it if the migrations made it: all columns, no condition, no arguments. */
function definitionOf({ table, name, fires, calls }: WantedTrigger): string {
  const each = fires === 'BEFORE INSERT' ? 'ROW' : 'STATEMENT';
  return `CREATE TRIGGER ${name} ${fires} ON public.${table} FOR EACH ${each} EXECUTE FUNCTION public.${calls}()`;
}

/** The triggers that write the changes of access. They come after the write and cannot alter it. */
const WATCHERS: readonly string[] = [
  "CREATE TRIGGER tenants_access_changed AFTER UPDATE ON public.tenants FOR EACH ROW WHEN (((old.status <> new.status) OR (old.slug <> new.slug) OR (old.name <> new.name) OR (old.id <> new.id))) EXECUTE FUNCTION public.access_changes_record('tenant')",
  "CREATE TRIGGER tenants_access_deleted AFTER DELETE ON public.tenants FOR EACH ROW EXECUTE FUNCTION public.access_changes_record('tenant')",
  "CREATE TRIGGER tenants_access_truncated AFTER TRUNCATE ON public.tenants FOR EACH STATEMENT EXECUTE FUNCTION public.access_changes_record('tenant')",
];

const KEYS: readonly KeyRow[] = [
  { table: 'audit_logs', columns: 'id' },
  { table: 'audit_leaves', columns: 'log_id, leaf_index' },
  { table: 'audit_leaves', columns: 'event_id' },
  { table: 'audit_nodes', columns: 'log_id, level, node_index' },
  { table: 'audit_trees', columns: 'log_id' },
  { table: 'audit_checkpoints', columns: 'log_id, size' },
];

/** The number of objects that {@link checkGuards} checks, in words. */
export const GUARDED = `${TABLES.length} tables, ${TRIGGERS.length} triggers, ${KEYS.length} keys are in place`;

function checkTrigger(wanted: WantedTrigger, found: TriggerRow | undefined, report: Report): void {
  const named = `trigger ${wanted.name} on ${wanted.table}`;
  if (!found) report({ kind: 'trigger_missing', message: `${named} is missing` });
  else if (found.enabled === 'O') {
    const message = `${named} does not run with session_replication_role = replica: enable it with ENABLE ALWAYS TRIGGER`;
    report({ kind: 'trigger_changed', message });
  } else if (found.enabled !== 'A') {
    report({ kind: 'trigger_disabled', message: `${named} is disabled` });
  } else if (found.definition !== definitionOf(wanted)) {
    const message = `${named} differs from what the migrations make: compare it with \`admin db check\``;
    report({ kind: 'trigger_changed', message });
  }
}

const isSame = (one: { table: string; name: string }, other: { table: string; name: string }) =>
  one.table === other.table && one.name === other.name;

/** Reports triggers that no migration made, and functions that differ from those of the migrations. */
function checkAround({ triggers, functions }: Guards, report: Report): void {
  for (const found of triggers) {
    const known = TRIGGERS.some((wanted) => isSame(wanted, found));
    if (known || WATCHERS.includes(found.definition)) continue;
    const message = `trigger ${found.name} on ${found.table} comes from no migration: it can drop or change rows as they are written`;
    report({ kind: 'trigger_extra', message });
  }
  for (const { name, definition } of functions) {
    const wanted = `CREATE OR REPLACE FUNCTION public.${name}() ${GUARD_FUNCTIONS[name as keyof typeof GUARD_FUNCTIONS]}`;
    if (definition.replaceAll(/\s+/g, ' ').trim() === wanted) continue;
    const message = `function ${name}, which triggers call, differs from what the migrations make: compare it with \`admin db check\``;
    report({ kind: 'trigger_changed', message });
  }
}

/**
 * Reports changed columns. A column of another type, or a computed one, can show something other than what was
 * written; an additional column can run something on each write. A missing column makes the queries fail by
 * themselves.
 */
function checkColumns(columns: Guards['columns'], report: Report): void {
  for (const { table, name, definition, runs } of columns) {
    const wanted = READ_COLUMNS[table]?.[name];
    const named = `column ${name} of ${table}`;
    if (wanted !== undefined && definition !== wanted) {
      const message = `${named} is ${definition}; the migrations make ${wanted}`;
      report({ kind: 'column_changed', message });
    } else if (wanted === undefined && runs && table !== 'tenants') {
      const message = `${named} comes from no migration, and is ${definition}`;
      report({ kind: 'column_changed', message });
    }
  }
}

/**
 * Checks the guards that keep the log from being changed. Guards in place now prove nothing about yesterday; missing
 * guards are strong evidence.
 * @returns whether every table is there, so that the log can be read
 */
export function checkGuards(guards: Guards, report: Report): boolean {
  const kinds = new Map(guards.tables.map(({ name, kind }) => [name, kind]));
  const gone = TABLES.filter((name) => kinds.get(name) !== 'r');
  for (const name of gone) {
    const message = kinds.has(name) ? `${name} is not a table` : `table ${name} is missing`;
    report({ kind: 'table_missing', message });
  }
  const isThere = (row: { table: string }) => kinds.get(row.table) === 'r';
  for (const wanted of TRIGGERS.filter(isThere)) {
    const found = guards.triggers.find((row) => isSame(row, wanted));
    checkTrigger(wanted, found, report);
  }
  checkAround(guards, report);
  checkColumns(guards.columns, report);
  for (const { table, columns } of KEYS.filter(isThere)) {
    if (!guards.keys.some((key) => key.table === table && key.columns === columns)) {
      const message = `${table} has no unique key on (${columns})`;
      report({ kind: 'constraint_missing', message });
    }
  }
  const aside = kinds.get('tenants');
  if (aside !== undefined && aside !== 'r') {
    report({ kind: 'table_missing', message: 'tenants is not a table' });
  }
  for (const { kind, table, how } of guards.detours) {
    report({ kind, message: `${table} ${how}` });
  }
  for (const where of guards.bypasses) {
    const message = `session_replication_role is replica for ${where}, so no foreign key is checked, and triggers that are not enabled as ALWAYS refuse nothing`;
    report({ kind: 'triggers_bypassed', message });
  }
  if (guards.hiding !== undefined) {
    const message = `session_replication_role is set for this connection by its ${guards.hiding}. This hides whether the server sets it to replica for every other connection. Reset it (the default is origin), and verify again`;
    report({ kind: 'setting_hidden', message });
  }
  return gone.length === 0;
}
