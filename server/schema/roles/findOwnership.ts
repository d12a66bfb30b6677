import type { ClientBase, Pool } from 'pg';

/** Lists the objects that a role owns, or whose owner it is a member of, one row for each kind. */
const OWNED = `WITH me AS (
    SELECT oid, rolname, rolsuper, rolcreaterole FROM pg_roles WHERE rolname = coalesce($1, current_user::text)
  ), owned AS (
    SELECT 1 AS rank, 'database' AS kind, datname::text AS name, datdba AS owner FROM pg_database
      WHERE datname = current_database()
    UNION ALL SELECT 2, 'schema', nspname, nspowner FROM pg_namespace WHERE nspname IN ('public', 'drizzle')
    UNION ALL SELECT 3, 'table', relname, relowner FROM pg_class
      WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
        AND relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'drizzle'))
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
    UNION ALL SELECT 4, 'function', proname, proowner FROM pg_proc
      WHERE pronamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e')
  )
  SELECT me.rolname AS role, me.rolsuper AS superuser, me.rolcreaterole AS "makesRoles",
    EXISTS (SELECT FROM pg_roles p WHERE p.rolname IN ('pg_execute_server_program', 'pg_write_server_files')
      AND pg_has_role(me.oid, p.oid, 'MEMBER')) AS "leavesDatabase",
    EXISTS (SELECT FROM pg_roles p WHERE p.rolbypassrls AND pg_has_role(me.oid, p.oid, 'MEMBER')) AS "seesAll",
    (SELECT coalesce(json_agg(json_build_object('kind', k.kind, 'first', k.first, 'count', k.count) ORDER BY k.rank), '[]')
     FROM (SELECT rank, kind, min(name) AS first, count(*)::int AS count FROM owned
           WHERE pg_has_role(me.oid, owner, 'MEMBER') GROUP BY rank, kind) k) AS owned
  FROM me`;

interface Facts {
  role: string;
  superuser: boolean;
  makesRoles: boolean;
  leavesDatabase: boolean;
  seesAll: boolean;
  owned: { kind: string; first: string; count: number }[];
}

/** The ways in which a role could undo the audit log. */
export interface Ownership {
  readonly role: string;
  /** A phrase for each way, to be read after "it"; empty if there is none. */
  readonly ways: readonly string[];
  /**
   * Whether row-level security does not bind the role, although it owns nothing: it has BYPASSRLS,
   * or is a member of a role that has it.
   */
  readonly seesAll: boolean;
}

const namesOf = ({ kind, first, count }: Facts['owned'][number]): string =>
  count === 1 ? `the ${kind} ${first}` : `${count} ${kind}s, among them ${first}`;

/**
 * Finds out whether a role can undo the audit log. The owner of the database, of a schema, of a
 * table (and so of its triggers) or of a function can drop or replace what protects the log. So can
 * a member of such a role.
 * @param role its name; null for the role of this connection
 * @returns undefined if there is no such role
 * @throws the driver's error if the database could not be asked
 */
export async function findOwnership(
  database: Pool | ClientBase,
  role: string | null,
): Promise<Ownership | undefined> {
  const { rows } = await database.query<Facts>(OWNED, [role]);
  const [facts] = rows;
  if (!facts) return undefined;
  // A superuser owns everything, so this phrase is enough.
  if (facts.superuser) return { role: facts.role, ways: ['is a superuser'], seesAll: true };
  const ways: string[] = [];
  if (facts.owned.length > 0) {
    ways.push(`owns, or is a member of the role that owns, ${facts.owned.map(namesOf).join(', ')}`);
  }
  if (facts.makesRoles) ways.push('may make roles, and so give itself the rights of another');
  if (facts.leavesDatabase) ways.push('may write files or run programs on the database server');
  return { role: facts.role, ways, seesAll: facts.seesAll };
}
