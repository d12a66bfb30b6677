import { reachesIntoEvidence } from '../roles/servingPrivileges';
import type { Catalogue } from './readCatalogue';

export interface Difference {
  problem: 'missing' | 'changed' | 'extra';
  /** `kind name`, for example `index public.users.users_email_unique`. */
  object: string;
  /** For example `table`, `column`, `constraint`, `index`, `trigger`, `function` or `grant`. */
  kind: string;
  /** The table that the object belongs to, or the object itself if it is a table. */
  table?: string;
  /** The definition that the migrations create. */
  expected?: string;
  /** The definition in the live database. */
  found?: string;
  /**
   * True if the difference cannot break the code, for example an additional index or an additional
   * nullable column.
   */
  harmless: boolean;
}

export interface CompareOptions {
  /**
   * Roles that may hold privileges which no migration granted, except privileges to change
   * evidence. PUBLIC is no role here.
   */
  knownRoles?: readonly string[];
}

const KINDS_WITH_TWO_WORDS = ['materialized view'];
/** Matches the first name after the schema, quoted or plain. */
const OWNING_TABLE = /^(?:table |column )?public\.("(?:[^"]|"")+"|[^".\s:()]+)/;

/** Kinds whose names begin with the table that they belong to. */
const PARTS = new Set(['column', 'constraint', 'index', 'trigger', 'policy', 'rule']);

const unquote = (name: string) =>
  name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;

const quoteName = (name: string) =>
  /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;

function kindOf(object: string): string {
  const long = KINDS_WITH_TWO_WORDS.find((kind) => object.startsWith(`${kind} `));
  return long ?? object.slice(0, object.indexOf(' '));
}

function tableOf(object: string, kind: string): string | undefined {
  const name = object.slice(kind.length + 1);
  const belongs =
    kind === 'table' ||
    PARTS.has(kind) ||
    (kind === 'grant' && /^(table|column) /.test(name)) ||
    (kind === 'setting' && name.startsWith('public.'));
  const found = belongs ? OWNING_TABLE.exec(name)?.[1] : undefined;
  return found === undefined ? undefined : unquote(found);
}

/**
 * Returns whether an additional object cannot make one of our statements fail or behave
 * differently.
 */
function isHarmlessExtra(kind: string, definition: string): boolean {
  if (kind === 'column') {
    return !definition.includes(' not null') || / (default|generated) /.test(definition);
  }
  if (kind === 'index') return !definition.startsWith('CREATE UNIQUE');
  return ['table', 'view', 'materialized view', 'sequence', 'function', 'enum', 'domain'].includes(
    kind,
  );
}

/** Returns the role of a grant, given its object such as `grant table public.users to backup`. */
export const roleOf = (object: string): string => object.slice(object.lastIndexOf(' to ') + 4);

function toDifference(
  object: string,
  expected: string | undefined,
  found: string | undefined,
): Difference {
  const kind = kindOf(object);
  const table = tableOf(object, kind);
  const problem = found === undefined ? 'missing' : expected === undefined ? 'extra' : 'changed';
  return {
    problem,
    object,
    kind,
    ...(table === undefined ? {} : { table }),
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    harmless: problem === 'extra' && isHarmlessExtra(kind, found ?? ''),
  };
}

/**
 * Returns the larger objects of which this one is a part. If such an object is missing or extra,
 * this difference adds nothing.
 */
function wholesOf({ kind, object, table }: Difference): string[] {
  const wholes =
    table === undefined || kind === 'table' ? [] : [`table public.${quoteName(table)}`];
  if (kind !== 'grant') return wholes;
  const on = object.slice('grant '.length, object.lastIndexOf(' to '));
  return [...wholes, on, on.replace(/^view /, 'materialized view ')];
}

/**
 * Compares two catalogues. Each difference is named once: a missing or extra table is one
 * difference, without its parts.
 * @param expected the objects that this release's migrations create
 * @param found the objects of the live database
 * @returns the differences by kind and name; empty if there are none
 */
export function compareCatalogues(
  expected: Catalogue,
  found: Catalogue,
  { knownRoles = [] }: CompareOptions = {},
): Difference[] {
  const known = new Set(knownRoles.filter((role) => role.toUpperCase() !== 'PUBLIC'));
  const objects = [...new Set([...Object.keys(expected), ...Object.keys(found)])].sort();
  const all = objects
    .filter((object) => expected[object] !== found[object])
    .map((object) => toDifference(object, expected[object], found[object]))
    .filter(
      ({ kind, object, table, found: granted = '' }) =>
        kind !== 'grant' || !known.has(roleOf(object)) || reachesIntoEvidence(table, granted),
    );
  const whole = new Set(
    all.filter(({ problem }) => problem !== 'changed').map(({ object }) => object),
  );
  return all.filter((one) => !wholesOf(one).some((object) => whole.has(object)));
}

/** Returns one phrase without definitions, for logs, events and health reports. */
export function nameDifference({ object, problem }: Difference): string {
  const verb = { missing: 'is missing', changed: 'is changed', extra: 'comes from no migration' }[
    problem
  ];
  return `${object} ${verb}`;
}

const quote = (definition: string) => definition.replaceAll(/\s+/g, ' ').trim();

/** Returns a plain sentence with both definitions, so that the reader sees what differs. */
export function describeDifference(difference: Difference): string {
  const { object, problem, expected = '', found = '' } = difference;
  if (problem === 'missing')
    return `The ${object} is missing; the migrations make: ${quote(expected)}.`;
  if (problem === 'extra') return `The ${object} comes from no migration: ${quote(found)}.`;
  return `The ${object} is changed. The migrations make: ${quote(expected)}. The database has: ${quote(found)}.`;
}

const partOf = (object: string) => object.slice(object.lastIndexOf('.') + 1);

const DROPPING: Readonly<Record<string, (name: string, table: string, part: string) => string>> = {
  table: (name) => `DROP TABLE ${name}`,
  column: (_name, table, part) => `ALTER TABLE ${table} DROP COLUMN ${part}`,
  constraint: (_name, table, part) => `ALTER TABLE ${table} DROP CONSTRAINT ${part}`,
  index: (_name, _table, part) => `DROP INDEX CONCURRENTLY public.${part}`,
  trigger: (_name, table, part) => `DROP TRIGGER ${part} ON ${table}`,
  policy: (_name, table, part) => `DROP POLICY ${part} ON ${table}`,
  rule: (_name, table, part) => `DROP RULE ${part} ON ${table}`,
  function: (name) => `DROP FUNCTION ${name}`,
  enum: (name) => `DROP TYPE ${name}`,
  domain: (name) => `DROP DOMAIN ${name}`,
  view: (name) => `DROP VIEW ${name}`,
  'materialized view': (name) => `DROP MATERIALIZED VIEW ${name}`,
  sequence: (name) => `DROP SEQUENCE ${name}`,
};

function mendExtra({ kind, object, table, found = '' }: Difference): string {
  const name = object.slice(kind.length + 1);
  if (kind === 'grant') {
    const [on, role] = [name.slice(0, name.lastIndexOf(' to ')), roleOf(object)];
    if (on.startsWith('column '))
      return `REVOKE ${found} on that column from ${role}, or name the role in SCHEMA_KNOWN_ROLES`;
    const advice = role === 'PUBLIC' ? '' : ', or name the role in SCHEMA_KNOWN_ROLES';
    return `REVOKE ALL ON ${
      on
        .replace(/^view /, 'table ')
        .toUpperCase()
        .split(' ')[0]
    } ${on.slice(on.indexOf(' ') + 1)} FROM ${role}${advice}`;
  }
  if (kind === 'setting') {
    return table === undefined
      ? 'ALTER DATABASE or ALTER ROLE … RESET session_replication_role'
      : `ALTER TABLE public.${table} ENABLE TRIGGER ALL`;
  }
  const dropping = DROPPING[kind]?.(name, `public.${table ?? ''}`, partOf(object));
  return `${dropping ?? 'remove it'}, or write a migration that makes it`;
}

/** How the query of the catalogue ends the definition of a trigger. */
const STATE = / (ENABLED|DISABLED)( ALWAYS| REPLICA)?$/;
const ALWAYS = ' ENABLED ALWAYS';

function mendMissing({ kind, object, table, expected = '' }: Difference): string {
  const [on, part] = [`public.${table ?? ''}`, partOf(object)];
  if (kind === 'function') return 'run the CREATE FUNCTION of its migration again';
  if (kind === 'index') return quote(expected);
  if (kind === 'trigger') {
    const create = quote(expected).replace(STATE, '');
    return expected.endsWith(ALWAYS)
      ? `${create}; ALTER TABLE ${on} ENABLE ALWAYS TRIGGER ${part}`
      : create;
  }
  if (kind === 'constraint') return `ALTER TABLE ${on} ADD CONSTRAINT ${part} ${quote(expected)}`;
  if (kind === 'column')
    return `ALTER TABLE ${on} ADD COLUMN ${part} ${quote(expected)}; what it held is in the backup`;
  if (kind === 'grant') return 'grant it again';
  return 'restore it from the backup, or run the statement of its migration again';
}

function mendChanged(difference: Difference): string {
  const { kind, object, table, expected = '', found = '' } = difference;
  const [on, part] = [`public.${table ?? ''}`, partOf(object)];
  // Only its state differs.
  if (kind === 'trigger' && found.replace(STATE, '') === expected.replace(STATE, '')) {
    return `ALTER TABLE ${on} ENABLE${expected.endsWith(ALWAYS) ? ' ALWAYS' : ''} TRIGGER ${part}`;
  }
  if (kind === 'index' && found.endsWith('INVALID'))
    return `REINDEX INDEX CONCURRENTLY public.${part}`;
  if (kind === 'constraint' && found === `${expected} NOT VALID`)
    return `ALTER TABLE ${on} VALIDATE CONSTRAINT ${part}`;
  if (kind === 'constraint')
    return `ALTER TABLE ${on} DROP CONSTRAINT ${part}, ADD CONSTRAINT ${part} ${quote(expected)}`;
  if (kind === 'grant') return `GRANT ${quote(expected)} again, and nothing more`;
  if (kind === 'function') return 'run the CREATE OR REPLACE FUNCTION of its migration again';
  return 'put it back as the migrations make it, or write a migration that makes it so';
}

/** Returns the statement or the step that repairs a difference. */
export function suggestMend(difference: Difference): string {
  if (difference.problem === 'missing') return mendMissing(difference);
  return difference.problem === 'extra' ? mendExtra(difference) : mendChanged(difference);
}
