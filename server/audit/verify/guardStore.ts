import type { Client } from 'pg';
import type { DetourRow, FunctionRow, Guards, KeyRow, TableRow, TriggerRow } from './guards';
import { GUARD_FUNCTIONS, READ_TABLES, TABLES } from './guards';

const rowsOf = async <Row extends object>(client: Client, text: string, values?: unknown[]) =>
  (await client.query<Row>(text, values)).rows;

/** Neither the release nor a migration of it makes any of these on the tables that are read. */
const DETOURS = `WITH read AS (
    SELECT oid, relname, relrowsecurity, relforcerowsecurity FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relname = ANY ($1::text[]) AND relkind = 'r')
  SELECT 'row_security' AS kind, relname AS "table",
    concat_ws(', ', CASE WHEN relrowsecurity THEN 'has row security enabled' END, CASE WHEN relforcerowsecurity THEN 'has row security forced' END) AS how
  FROM read WHERE relrowsecurity OR relforcerowsecurity
  UNION ALL SELECT 'row_security', r.relname, 'has the policy ' || p.polname FROM read r JOIN pg_policy p ON p.polrelid = r.oid
  UNION ALL SELECT 'table_inherits', r.relname, 'has the child ' || i.inhrelid::regclass FROM read r JOIN pg_inherits i ON i.inhparent = r.oid
  UNION ALL SELECT 'table_inherits', r.relname, 'is a child of ' || i.inhparent::regclass FROM read r JOIN pg_inherits i ON i.inhrelid = r.oid
  UNION ALL SELECT 'rewrite_rule', r.relname, 'has the rule ' || w.rulename FROM read r JOIN pg_rewrite w ON w.ev_class = r.oid
  ORDER BY 1, 2, 3`;

/** All that {@link checkGuards} looks at. */
export async function readGuards(client: Client): Promise<Guards> {
  const tables = await rowsOf<TableRow>(
    client,
    `SELECT relname AS name, relkind::text AS kind FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relname = ANY ($1)`,
    [READ_TABLES],
  );
  const triggers = await rowsOf<TriggerRow>(
    client,
    // Of those that Postgres makes, only the triggers of foreign keys stand on these tables.
    `SELECT c.relname AS "table", t.tgname AS name, t.tgenabled::text AS enabled, pg_get_triggerdef(t.oid) AS definition
     FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1)
       AND NOT (t.tgisinternal AND p.pronamespace = 'pg_catalog'::regnamespace AND starts_with(p.proname, 'RI_FKey_'))
     ORDER BY 1, 2`,
    [READ_TABLES],
  );
  const functions = await rowsOf<FunctionRow>(
    client,
    `SELECT proname AS name, pg_get_functiondef(oid) AS definition FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace AND pronargs = 0 AND prokind = 'f' AND proname = ANY ($1)`,
    [Object.keys(GUARD_FUNCTIONS)],
  );
  const keys = await rowsOf<KeyRow>(
    client,
    `SELECT c.relname AS "table", string_agg(a.attname, ', ' ORDER BY k.place) AS columns
     FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
       CROSS JOIN LATERAL unnest(i.indkey::int[]) WITH ORDINALITY k (attribute, place)
       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attribute
     WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1)
       AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
     GROUP BY c.relname, i.indexrelid`,
    [TABLES],
  );
  const detours = await rowsOf<DetourRow>(client, DETOURS, [READ_TABLES]);
  const bypasses = await rowsOf<{ whom: string }>(
    client,
    // Postgres reads the value without regard to case, and keeps it as it was written.
    `SELECT 'this connection' AS whom WHERE current_setting('session_replication_role') = 'replica'
     UNION ALL
     SELECT concat_ws(' in ', 'role ' || r.rolname, 'database ' || d.datname)
     FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
     WHERE (s.setdatabase = 0 OR d.datname = current_database()) AND EXISTS (
       SELECT FROM unnest(s.setconfig) v WHERE lower(v) = 'session_replication_role=replica')`,
  );
  return { tables, triggers, functions, keys, detours, bypasses: bypasses.map(({ whom }) => whom) };
}
