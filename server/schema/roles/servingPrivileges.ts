import { REQUIRED_TABLES } from '../guard/checkSchemaHealth';

export type Privilege = 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE';

/** Tables whose rows are evidence as soon as they are written. Nobody may change such a row. */
const APPEND_ONLY = new Set([
  'audit_logs',
  'audit_leaves',
  'audit_nodes',
  'audit_checkpoints',
  'evidence_keys',
  'session_history',
  'token_history',
  'step_up_history',
]);
/** Tables in which the sealer and the purge of changes record their progress. */
const KEPT = new Set(['audit_trees', 'audit_sealer', 'access_change_purges']);
/** Triggers write these tables, with the rights of their owner. */
const READ_ONLY = new Set(['change_versions']);
/** Triggers write these tables too, and the hourly maintenance deletes old rows. */
const PURGED = new Set(['access_changes']);

/** Returns the privileges that the serving process needs on a table, and no others. */
export function privilegesOn(table: string): readonly Privilege[] {
  if (READ_ONLY.has(table)) return ['SELECT'];
  if (PURGED.has(table)) return ['SELECT', 'DELETE'];
  if (APPEND_ONLY.has(table)) return ['SELECT', 'INSERT'];
  if (KEPT.has(table)) return ['SELECT', 'INSERT', 'UPDATE'];
  return ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
}

/** The privileges for every table that the code uses. A new table is included automatically. */
export const SERVING_PRIVILEGES: ReadonlyMap<string, readonly Privilege[]> = new Map(
  REQUIRED_TABLES.map((table) => [table, privilegesOn(table)]),
);

/**
 * Returns whether a grant would let its holder change evidence. No role may have such a grant, not
 * even a known one.
 */
export const reachesIntoEvidence = (table: string | undefined, privileges: string): boolean =>
  table !== undefined &&
  APPEND_ONLY.has(table) &&
  /UPDATE|DELETE|TRUNCATE|TRIGGER/.test(privileges);
