/**
 * The names of the squawk rules in use. The list is fixed, so that a rule of a newer squawk does
 * not fail a migration that landed under an older one.
 */
export const SQUAWK_RULES: ReadonlySet<string> = new Set([
  'adding-field-with-default',
  'adding-foreign-key-constraint',
  'adding-not-nullable-field',
  'adding-required-field',
  'adding-serial-primary-key-field',
  'ban-alter-domain-with-add-constraint',
  'ban-drop-column',
  'ban-drop-database',
  'ban-drop-not-null',
  'ban-drop-table',
  'ban-truncate-cascade',
  'changing-column-type',
  'constraint-missing-not-valid',
  'disallowed-unique-constraint',
  'renaming-column',
  'renaming-table',
  'require-concurrent-index-creation',
  'require-concurrent-index-deletion',
  'require-concurrent-reindex',
  'require-lock-timeout',
  'syntax-error',
  'transaction-nesting',
]);

/** How to rewrite the statements that squawk finds. Its own messages give the reason. */
export const SQUAWK_FIXES: Readonly<Record<string, string>> = {
  'adding-foreign-key-constraint':
    'add it NOT VALID, and VALIDATE CONSTRAINT in a later migration marked `-- gatehouse:transaction own`',
  'constraint-missing-not-valid':
    'add it NOT VALID, and VALIDATE CONSTRAINT in a later migration marked `-- gatehouse:transaction own`',
  'disallowed-unique-constraint':
    'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS in a migration marked `-- gatehouse:transaction none`, then ADD CONSTRAINT … USING INDEX',
  'require-concurrent-index-creation':
    'CREATE INDEX CONCURRENTLY IF NOT EXISTS, in a migration of its own marked `-- gatehouse:transaction none`',
  'require-concurrent-index-deletion':
    'DROP INDEX CONCURRENTLY IF EXISTS, in a migration of its own marked `-- gatehouse:transaction none`',
  'require-lock-timeout': "begin the migration with: SET LOCAL lock_timeout = '5s';",
  'adding-required-field': 'give the column a default, or add it nullable and fill it first',
  'adding-not-nullable-field':
    'ADD CONSTRAINT … CHECK (… IS NOT NULL) NOT VALID, VALIDATE it later, then SET NOT NULL',
};

/** The part of Postgres' parse tree that the rules below use. */
interface Node {
  [key: string]: unknown;
}

interface OwnRule {
  name: string;
  why: string;
  /** @param created the tables that the same migration creates; nothing in them can be lost */
  matches(kind: string, node: Node, created: ReadonlySet<string>): boolean;
}

/** Returns the table that a statement is about. */
export const relationOf = (node: Node): string =>
  ((node['relation'] as Node | undefined)?.['relname'] as string | undefined) ?? '';

const commandsOf = (node: Node): Node[] =>
  ((node['cmds'] as { AlterTableCmd?: Node }[] | undefined) ?? []).map(
    ({ AlterTableCmd }) => AlterTableCmd ?? {},
  );

const drops =
  (...types: string[]) =>
  (kind: string, node: Node): boolean =>
    kind === 'DropStmt' && types.includes(String(node['removeType']));

const alters =
  (pattern: RegExp) =>
  (kind: string, node: Node, created: ReadonlySet<string>): boolean =>
    kind === 'AlterTableStmt' &&
    !created.has(relationOf(node)) &&
    commandsOf(node).some(({ subtype }) => pattern.test(String(subtype)));

const cascades = (kind: string, node: Node): boolean =>
  (kind === 'DropStmt' && node['behavior'] === 'DROP_CASCADE') ||
  (kind === 'AlterTableStmt' &&
    commandsOf(node).some(({ behavior }) => behavior === 'DROP_CASCADE'));

const BY_SQUAWK = ['OBJECT_TABLE', 'OBJECT_COLUMN'];

/** Rules that squawk does not have. They use the tree of Postgres' own parser. */
export const OWN_RULES: readonly OwnRule[] = [
  {
    name: 'drop-type',
    why: 'drops a type that the previous release may use',
    matches: drops('OBJECT_TYPE', 'OBJECT_DOMAIN'),
  },
  {
    name: 'drop-schema',
    why: 'drops a schema with everything in it',
    matches: drops('OBJECT_SCHEMA'),
  },
  {
    name: 'drop-function',
    why: 'drops a function that a default, a trigger or the previous release may call',
    matches: drops('OBJECT_FUNCTION', 'OBJECT_PROCEDURE', 'OBJECT_ROUTINE'),
  },
  {
    name: 'drop-trigger',
    why: 'drops a trigger, rule or policy, so its protection ends',
    matches: drops('OBJECT_TRIGGER', 'OBJECT_RULE', 'OBJECT_POLICY'),
  },
  {
    name: 'drop-view',
    why: 'drops a view that may be in use',
    matches: drops('OBJECT_VIEW', 'OBJECT_MATVIEW'),
  },
  {
    name: 'drop-constraint',
    why: 'drops a constraint, so rows that violate it can then be written',
    matches: alters(/^AT_DropConstraint$/),
  },
  {
    name: 'disable-trigger',
    why: 'disables triggers, rules or row security, so their protection ends',
    matches: alters(/^AT_(DisableTrig|DisableRule|DisableRowSecurity|NoForceRowSecurity)/),
  },
  {
    name: 'cascade',
    why: 'drops with CASCADE, so it also drops every dependent object, named or not',
    matches: cascades,
  },
  { name: 'truncate', why: 'empties a table', matches: (kind) => kind === 'TruncateStmt' },
  {
    name: 'unbounded-write',
    why: 'updates or deletes every row of a table in one transaction',
    matches: (kind, node) =>
      (kind === 'UpdateStmt' || kind === 'DeleteStmt') && node['whereClause'] === undefined,
  },
  {
    name: 'rename',
    why: 'renames an object that the previous release uses under its old name',
    matches: (kind, node) =>
      kind === 'RenameStmt' && !BY_SQUAWK.includes(String(node['renameType'])),
  },
  {
    name: 'grant',
    why: 'changes privileges or owners',
    matches: (kind) => /^(Grant|GrantRole|AlterDefaultPrivileges|AlterOwner)Stmt$/.test(kind),
  },
  {
    name: 'session-setting',
    why: 'changes a setting beyond its transaction, and a pooler hands that session to other clients; use SET LOCAL',
    matches: (kind, node) => kind === 'VariableSetStmt' && node['is_local'] !== true,
  },
  {
    name: 'do-block',
    why: 'contains a DO block, which no rule can check',
    matches: (kind) => kind === 'DoStmt',
  },
];

/** Returns the tables that a statement creates. */
export const createdBy = (kind: string, node: Node): string[] =>
  kind === 'CreateStmt' ? [relationOf(node)] : [];

/** Returns whether a statement may run outside a transaction, and run again after a crash. */
export function isRepeatableAlone(kind: string, node: Node): boolean {
  if (kind === 'IndexStmt') return node['concurrent'] === true && node['if_not_exists'] === true;
  if (kind === 'DropStmt') return node['concurrent'] === true && node['missing_ok'] === true;
  if (kind !== 'AlterTableStmt') return false;
  return commandsOf(node).every(({ subtype }) => subtype === 'AT_ValidateConstraint');
}
