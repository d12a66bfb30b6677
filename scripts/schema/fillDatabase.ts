import { randomBytes, randomUUID } from 'node:crypto';
import type { Client } from 'pg';

interface Column {
  name: string;
  type: string;
  nullable: boolean;
  /** The values, if the type is an enum. */
  labels: string[] | null;
}

interface ForeignKey {
  columns: string[];
  parent: string;
  parentColumns: string[];
}

interface Table {
  name: string;
  columns: Column[];
  foreignKeys: ForeignKey[];
}

type Row = Record<string, unknown>;

const TABLES = `
SELECT c.relname AS name,
  (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, NULL),
     'nullable', NOT a.attnotnull,
     'labels', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = a.atttypid))
     ORDER BY a.attnum)
   FROM pg_attribute a
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity = '') AS columns,
  (SELECT coalesce(json_agg(json_build_object(
     'columns', (SELECT json_agg(a.attname ORDER BY k.ord) FROM unnest(f.conkey) WITH ORDINALITY k(num, ord)
                 JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.num),
     'parent', f.confrelid::regclass::text,
     'parentColumns', (SELECT json_agg(a.attname ORDER BY k.ord) FROM unnest(f.confkey) WITH ORDINALITY k(num, ord)
                       JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.num))), '[]')
   FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f') AS "foreignKeys"
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
ORDER BY c.relname`;

/** Values that satisfy the checks of a table, if a value made from the type alone would not. */
const SPECIAL: Readonly<Record<string, (at: number) => unknown>> = {
  'tenants.slug': (at) => `tenant-${at}`,
  'users.email': (at) => `person${at}@example.com`,
  'step_up_challenges.consumed_at': () => null,
  'schema_health.only': () => true,
  'installation.only': () => true,
  'access_change_purges.id': () => true,
  'risk_policies.version': (at) => at + 1,
  'risk_policies.policy': () => '{}',
  'risk_decisions.score': (at) => at % 101,
  'risk_decisions.verdict': () => null,
  'risk_decisions.verdict_at': () => null,
  'risk_decisions.verdict_by': () => null,
  'step_up_challenges.purpose': () => 'data_export',
  'step_up_challenges.emails_sent': () => 0,
  'staff_habits.hours': (at) => Array.from({ length: 24 }, (_, hour) => (hour * at) % 7),
  'audit_trees.tenant_id': () => randomUUID(),
  'audit_sealer.only': () => true,
  'audit_logs.action': () => 'AUTH_LOGIN_SUCCEEDED',
  'declared_event_types.name': (at) => `app.event-${at}`,
  'declared_permissions.name': (at) => `app:permission-${at}`,
  'approval_requests.decision': () => 'approved',
  'approval_requests.decided_at': () => new Date(),
  'invitations.accepted_at': () => new Date(),
  'impersonation_policies.mode': (at) => ['off', 'read_only', 'full'][at % 3],
  'impersonation_policies.consent': (at) => ['none', 'told', 'required'][at % 3],
  'impersonation_policies.max_minutes': (at) => 1 + (at % 60),
  'impersonations.scope': () => 'read_only',
  'impersonations.consent': () => 'told',
  'impersonations.consent_given_at': () => null,
  'impersonations.ended_at': () => new Date(),
  'impersonations.end_reason': () => 'stopped',
  'domains.domain': (at) => `domain-${at}.example`,
  'domains.finding': () => 'found',
  'domains.lost_at': () => null,
  'identity_links.how': () => 'domain',
  'identity_links.ended_at': () => null,
  'sso_attempts.kind': () => 'try',
  'sso_attempts.session_id': () => randomUUID(),
  'sso_connections.token_auth': () => 'basic',
  'sso_connections.deleted_at': () => null,
  'ip_rules.action': (at) => ['allow', 'deny'][at % 2],
  'ip_rules.applies_to': (at) => ['people', 'api_keys'][at % 2],
};

const VALUES: Readonly<Record<string, (name: string, at: number) => unknown>> = {
  uuid: () => randomUUID(),
  text: (name, at) => `${name}-${at}-${randomBytes(4).toString('hex')}`,
  'character varying': (name, at) => `${name}-${at}`,
  character: (_name, at) => ['DE', 'FR', 'JP'][at % 3],
  integer: (_name, at) => at % 5,
  smallint: (_name, at) => at % 5,
  bigint: (_name, at) => at,
  'double precision': (_name, at) => at / 7,
  boolean: (_name, at) => at % 2 === 0,
  'timestamp with time zone': (_name, at) => new Date(Date.now() - at * 3_600_000),
  jsonb: () => '{}',
  bytea: () => randomBytes(32),
  xid8: (_name, at) => String(1000 + at),
  cidr: (_name, at) => `10.${at % 256}.0.0/16`,
  pg_snapshot: () => '1:1:',
  'text[]': (name) => [name],
  'integer[]': () => [1, 2, 3],
};

function valueOf(table: string, { name, type, nullable, labels }: Column, at: number): unknown {
  const special = SPECIAL[`${table}.${name}`];
  if (special) return special(at);
  if (nullable && at % 3 === 0) return null;
  if (labels) return labels[at % labels.length];
  const make = VALUES[type];
  if (make) return make(name, at);
  if (nullable) return null;
  throw new Error(
    `${table}.${name} has the type ${type}: add a value of this type to VALUES in scripts/schema/fillDatabase.ts.`,
  );
}

/**
 * Points a row at a parent that agrees with the foreign keys set before, so that all belong to one
 * tenant. Two keys of one row point at two parents if there are two that agree.
 */
function refer(
  row: Row,
  { columns, parentColumns }: ForeignKey,
  { parents, used, at }: { parents: readonly Row[]; used: Set<Row>; at: number },
) {
  const set = columns.flatMap((column, i) =>
    row[column] === undefined ? [] : [[parentColumns[i] ?? '', row[column]] as const],
  );
  const fits = (parent: Row) => set.every(([column, value]) => parent[column] === value);
  const fitting = set.length === 0 ? parents : parents.filter(fits);
  const others = used.size === 0 ? fitting : fitting.filter((parent) => !used.has(parent));
  const choice = others.length > 0 ? others : fitting;
  const parent = choice[at % Math.max(1, choice.length)];
  if (parent) used.add(parent);
  columns.forEach((column, i) => {
    row[column] ??= parent?.[parentColumns[i] ?? ''] ?? null;
  });
}

/** Each tenant has two members, because some rows name two of them. */
const placeOf = (table: string, parent: string, at: number) =>
  table === 'tenant_staff' && parent === 'tenants' ? at >> 1 : at;

function makeRow(table: Table, rows: ReadonlyMap<string, Row[]>, at: number): Row {
  const row: Row = {};
  const used = new Set<Row>();
  const widestFirst = [...table.foreignKeys].sort((a, b) => b.columns.length - a.columns.length);
  for (const key of widestFirst) {
    const parents = rows.get(key.parent) ?? [];
    refer(row, key, { parents, used, at: placeOf(table.name, key.parent, at) });
  }
  for (const column of table.columns) {
    if (row[column.name] === undefined) row[column.name] = valueOf(table.name, column, at);
  }
  return row;
}

function inOrderOfReference(tables: readonly Table[]): Table[] {
  const ordered: Table[] = [];
  const left = new Set(tables);
  while (left.size > 0) {
    const next = [...left].find(({ name, foreignKeys }) =>
      foreignKeys.every(
        ({ parent }) => parent === name || ordered.some((one) => one.name === parent),
      ),
    );
    if (!next) throw new Error('The foreign keys of the tables form a cycle.');
    ordered.push(next);
    left.delete(next);
  }
  return ordered;
}

const COUNT = (table: string) => `SELECT count(*)::int AS count FROM "${table}"`;

/** @returns how many rows each table holds */
export async function countRows(
  client: Client,
  tables: Iterable<string>,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const table of tables) {
    const { rows } = await client.query<{ count: number }>(COUNT(table));
    counts.set(table, rows[0]?.count ?? 0);
  }
  return counts;
}

/** Returns an error that says where to give a table values that its constraints accept. */
const unfillable = ({ name }: Table, cause: unknown): Error =>
  new Error(
    `The generated rows cannot be inserted into ${name} (${String(cause)}). Add values for its columns to SPECIAL in scripts/schema/fillDatabase.ts.`,
    { cause },
  );

/** A statement may have 65,535 parameters. */
const ROWS_PER_STATEMENT = 100;

/** @throws Error with the table's name if a row violates a constraint */
async function insert(client: Client, table: Table, rows: readonly Row[]): Promise<void> {
  const names = table.columns.map(({ name }) => name);
  const columns = names.map((name) => `"${name}"`).join(', ');
  const places = rows.map((_row, at) =>
    names.map((_name, place) => `$${at * names.length + place + 1}`).join(', '),
  );
  await client
    .query(
      `INSERT INTO "${table.name}" (${columns}) VALUES (${places.join('), (')}) ON CONFLICT DO NOTHING`,
      rows.flatMap((row) => names.map((name) => row[name])),
    )
    .catch((error: unknown) => Promise.reject(unfillable(table, error)));
}

/**
 * Puts rows into every table of schema `public`, in any release: it reads types, enums and foreign
 * keys from the catalogue.
 * @returns how many rows each table then holds
 * @throws Error with the table's name if a generated row violates a constraint
 */
export async function fillDatabase(
  client: Client,
  rowsPerTable: number,
): Promise<Map<string, number>> {
  const { rows: tables } = await client.query<Table>(TABLES);
  const made = new Map<string, Row[]>();
  for (const table of inOrderOfReference(tables)) {
    const rows = Array.from({ length: rowsPerTable }, (_, at) => makeRow(table, made, at));
    for (let at = 0; at < rows.length; at += ROWS_PER_STATEMENT) {
      await insert(client, table, rows.slice(at, at + ROWS_PER_STATEMENT));
    }
    made.set(table.name, rows);
  }
  return countRows(client, made.keys());
}
