import { REQUIRED_TABLES } from './schemaHealth';

export type Privilege = 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE';

/** What is evidence once it is written: nobody changes a row of these. */
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
/** Where the sealer notes how far it has come. */
const KEPT = new Set(['audit_trees', 'audit_sealer']);
/** Triggers write these, with their owner's rights. */
const READ_ONLY = new Set(['change_versions']);

/** What the serving process does with a table, and all that it does. */
export function privilegesOn(table: string): readonly Privilege[] {
  if (READ_ONLY.has(table)) return ['SELECT'];
  if (APPEND_ONLY.has(table)) return ['SELECT', 'INSERT'];
  if (KEPT.has(table)) return ['SELECT', 'INSERT', 'UPDATE'];
  return ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];
}

/** Every table that the code uses, with what it does there: a new table is in the list by itself. */
export const SERVING_PRIVILEGES: ReadonlyMap<string, readonly Privilege[]> = new Map(
  REQUIRED_TABLES.map((table) => [table, privilegesOn(table)]),
);

/** Whether a grant would let its holder change what was written down: no role is known well enough for that. */
export const reachesIntoEvidence = (table: string | undefined, privileges: string): boolean =>
  table !== undefined &&
  APPEND_ONLY.has(table) &&
  /UPDATE|DELETE|TRUNCATE|TRIGGER/.test(privileges);
