import { Client, escapeIdentifier } from 'pg';
import { CALLED_FUNCTIONS } from '../../db/schema/ownerFunctions';
import { findOwnership } from './findOwnership';
import type { Ownership } from './findOwnership';
import { SERVING_PRIVILEGES } from './servingPrivileges';
import type { Privilege } from './servingPrivileges';

/** Thrown if a role cannot be the server's role; the message is one plain sentence. */
export class ServingRoleError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ServingRoleError';
  }
}

export interface GrantedRole {
  readonly role: string;
  readonly tables: Readonly<Record<string, readonly Privilege[]>>;
  readonly sequences: readonly string[];
  readonly functions: readonly string[];
  /** The tables that record migrations. A start compares them with its own migrations. */
  readonly ledger: readonly string[];
  /** Rights of the role that do not depend on grants on tables, one sentence each. */
  readonly warnings: readonly string[];
}

const LEDGER = ['drizzle.__drizzle_migrations', 'drizzle.gatehouse_interrupted_migrations'];
/** The privileges on a table that exist on every supported Postgres. */
const ALL = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'];

async function connected<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: url,
    application_name: 'gatehouse-grants',
    connectionTimeoutMillis: 10_000,
    query_timeout: 10_000,
  });
  // A connection that breaks while idle is reported by the next query.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * Returns the objects of schema `public` that belong to no extension, as they are written in a
 * statement.
 */
async function findObjects(client: Client): Promise<{ sequences: string[]; functions: string[] }> {
  const { rows } = await client.query<{ kind: string; name: string }>(
    `SELECT o.kind, o.name FROM (
       SELECT 'sequence' AS kind, 'pg_class'::regclass AS catalogue, oid, format('public.%I', relname) AS name
       FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
       UNION ALL
       SELECT 'function', 'pg_proc'::regclass, oid, format('public.%I(%s)', proname, pg_get_function_identity_arguments(oid))
       FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'
     ) o
     WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.catalogue AND d.objid = o.oid AND d.deptype = 'e')
     ORDER BY 2`,
  );
  const named = (kind: string) => rows.filter((row) => row.kind === kind).map(({ name }) => name);
  return { sequences: named('sequence'), functions: named('function') };
}

/** Returns the reason why grants could not restrict this role, if there is one. */
async function objectionTo(client: Client, role: string): Promise<string | undefined> {
  if (/^(public|pg_.*|current_user|session_user|current_role|none)$/i.test(role)) {
    return `${role} is no role of yours: name the one that the server connects as.`;
  }
  const ownership = await findOwnership(client, role);
  if (!ownership) return `There is no role '${role}': CREATE ROLE it first, with LOGIN.`;
  if (ownership.ways.length === 0) {
    return ownership.seesAll
      ? `'${role}' has BYPASSRLS, or is a member of a role that has it, so row-level security would not bind it: ALTER ROLE it NOBYPASSRLS, or revoke the membership.`
      : undefined;
  }
  return `'${role}' could undo the audit log: it ${ownership.ways.join('; it ')}. No grant holds that back: name a role that owns nothing.`;
}

async function warningsAbout(client: Client, role: string): Promise<string[]> {
  const { rows } = await client.query<{ makes: boolean; version: number }>(
    `SELECT has_schema_privilege($1, 'public', 'CREATE') AS makes, current_setting('server_version_num')::int AS version`,
    [role],
  );
  const warnings: string[] = [];
  if (rows[0]?.makes) {
    warnings.push(
      `'${role}' may create objects in schema public, as everybody may where Postgres was set up before 15: REVOKE CREATE ON SCHEMA public FROM PUBLIC.`,
    );
  }
  // Before Postgres 15, nobody could be granted this.
  if ((rows[0]?.version ?? 0) < 150_000) return warnings;
  const { rows: parameter } = await client.query<{ sets: boolean }>(
    `SELECT has_parameter_privilege($1, 'session_replication_role', 'SET') AS sets`,
    [role],
  );
  if (parameter[0]?.sets) {
    warnings.push(
      `'${role}' may set session_replication_role, which switches triggers off: REVOKE SET ON PARAMETER session_replication_role FROM it.`,
    );
  }
  return warnings;
}

/** Returns the privileges that a role has on each table, from any source. */
async function readPrivileges(
  client: Client,
  role: string | null,
): Promise<Map<string, readonly string[]>> {
  const { rows } = await client.query<{ name: string; had: string[] }>(
    `SELECT t.name, coalesce(array_agg(p.privilege) FILTER (
       WHERE has_table_privilege(coalesce($1, current_user), to_regclass(format('public.%I', t.name)), p.privilege)
     ), '{}') AS had
     FROM unnest($2::text[]) AS t (name), unnest($3::text[]) AS p (privilege)
     WHERE to_regclass(format('public.%I', t.name)) IS NOT NULL GROUP BY t.name ORDER BY t.name`,
    [role, [...SERVING_PRIVILEGES.keys()], ALL],
  );
  return new Map(rows.map(({ name, had }) => [name, had]));
}

/** Returns the functions that a role needs and may not call, as phrases. */
async function findUncallable(client: Client, role: string | null): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT proname AS name FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = ANY ($2::text[])
       AND NOT has_function_privilege(coalesce($1, current_user), oid, 'EXECUTE') ORDER BY proname`,
    [role, CALLED_FUNCTIONS],
  );
  return rows.map(({ name }) => `EXECUTE on function public.${name}`);
}

interface Deviation {
  readonly lacking: string[];
  readonly excess: string[];
}

/** Compares privileges, as phrases such as `UPDATE on public.mails`. */
function compare(privileges: ReadonlyMap<string, readonly string[]>): Deviation {
  const phrase = (table: string, list: readonly string[]) =>
    list.length === 0 ? [] : [`${list.join(', ')} on public.${table}`];
  const lacking: string[] = [];
  const excess: string[] = [];
  for (const [table, had] of privileges) {
    const needed: readonly string[] = SERVING_PRIVILEGES.get(table) ?? [];
    lacking.push(
      ...phrase(
        table,
        needed.filter((one) => !had.includes(one)),
      ),
    );
    excess.push(
      ...phrase(
        table,
        ALL.filter((one) => had.includes(one) && !needed.includes(one)),
      ),
    );
  }
  return { lacking, excess };
}

async function grantAll(client: Client, role: string): Promise<Omit<GrantedRole, 'warnings'>> {
  const to = escapeIdentifier(role);
  const { sequences, functions } = await findObjects(client);
  await client.query(`GRANT USAGE ON SCHEMA public TO ${to}`);
  for (const [table, privileges] of SERVING_PRIVILEGES) {
    const on = `public.${escapeIdentifier(table)}`;
    // This also revokes privileges on single columns.
    await client.query(`REVOKE ALL ON TABLE ${on} FROM ${to}`);
    await client.query(`GRANT ${privileges.join(', ')} ON TABLE ${on} TO ${to}`);
  }
  for (const name of sequences) await client.query(`REVOKE ALL ON SEQUENCE ${name} FROM ${to}`);
  for (const name of sequences) await client.query(`GRANT USAGE ON SEQUENCE ${name} TO ${to}`);
  for (const name of functions) await client.query(`GRANT EXECUTE ON FUNCTION ${name} TO ${to}`);
  await client.query(`REVOKE ALL ON SCHEMA drizzle FROM ${to}`);
  await client.query(`GRANT USAGE ON SCHEMA drizzle TO ${to}`);
  for (const table of LEDGER) {
    await client.query(`REVOKE ALL ON TABLE ${table} FROM ${to}`);
    await client.query(`GRANT SELECT ON TABLE ${table} TO ${to}`);
  }
  const tables = Object.fromEntries(SERVING_PRIVILEGES);
  return { role, tables, sequences, functions, ledger: LEDGER };
}

/**
 * Grants a role the privileges that the serving process needs, and revokes any others on the same
 * objects. Run it as their owner, after each migration. It is idempotent.
 * @throws ServingRoleError if grants cannot restrict the role, or if it has more or fewer
 *   privileges afterwards
 */
export function grantServing(databaseUrl: string, role: string): Promise<GrantedRole> {
  return connected(databaseUrl, async (client) => {
    const objection = await objectionTo(client, role);
    if (objection !== undefined) throw new ServingRoleError(objection);
    await client.query('BEGIN');
    await client.query("SET LOCAL lock_timeout = '5s'");
    const granted = await grantAll(client, role);
    const { lacking, excess } = compare(await readPrivileges(client, role));
    lacking.push(...(await findUncallable(client, role)));
    if (lacking.length > 0) {
      throw new ServingRoleError(
        `'${role}' still lacks ${lacking.join('; ')}: run this as the role that owns the tables. Nothing was changed.`,
      );
    }
    if (excess.length > 0) {
      throw new ServingRoleError(
        `'${role}' would still have ${excess.join('; ')}, from PUBLIC, from a role that it is a member of, or from another grantor: revoke that first. Nothing was changed.`,
      );
    }
    await client.query('COMMIT');
    return { ...granted, warnings: await warningsAbout(client, role) };
  });
}

/**
 * The missing and the excess privileges of the role of this process, and the ways in which it could
 * undo the audit log.
 */
export type ServingGrants = Deviation & Ownership;

/**
 * Inspects the privileges of the role that this process serves as. An owner has every privilege, so
 * nothing counts as excess for it.
 * @throws the driver's error if the role could not be inspected
 */
export function inspectServingRole(databaseUrl: string): Promise<ServingGrants> {
  return connected(databaseUrl, async (client) => {
    const { rows } = await client.query<{ ledger: boolean | null }>(
      `SELECT (SELECT has_schema_privilege(n.oid, 'USAGE') AND bool_and(has_table_privilege(c.oid, 'SELECT'))
          FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'
          WHERE n.nspname = 'drizzle' GROUP BY n.oid) AS ledger`,
    );
    const { ledger = true } = rows[0] ?? {};
    const { role = '', ways = [], seesAll = false } = (await findOwnership(client, null)) ?? {};
    const { lacking, excess } = compare(await readPrivileges(client, null));
    lacking.push(...(await findUncallable(client, null)));
    if (ledger === false) lacking.push('SELECT on the tables of schema drizzle');
    return { role, lacking, excess: ways.length > 0 ? [] : excess, ways, seesAll };
  });
}
