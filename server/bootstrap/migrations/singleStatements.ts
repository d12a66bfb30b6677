import { withoutLeadingComments } from './readMigrations';

const NAME = String.raw`(?:"(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)`;
const CREATE_INDEX = new RegExp(
  String.raw`^CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?(${NAME})\s+ON\s+(?:ONLY\s+)?(?:(${NAME})\s*\.)?`,
  'iu',
);

/**
 * The index that a `CREATE INDEX CONCURRENTLY` makes, as `schema."name"`.
 * @returns undefined for any other statement, and where the index has no name
 */
export function concurrentIndexOf(statement: string): string | undefined {
  const [, name, schema] = CREATE_INDEX.exec(withoutLeadingComments(statement)) ?? [];
  return name === undefined ? undefined : `${schema ?? 'public'}.${name}`;
}

/** Drops the index whether or not it is there, and keeps nobody from the table meanwhile. */
export const dropConcurrently = (index: string) => `DROP INDEX CONCURRENTLY IF EXISTS ${index}`;

/** Whether a statement may run again after it ran, or was cut off half way. */
export function isRepeatable(statement: string): boolean {
  if (concurrentIndexOf(statement) !== undefined) return true;
  return /\bIF\s+(NOT\s+)?EXISTS\b|\bVALIDATE\s+CONSTRAINT\b/i.test(statement);
}

/** The beginning of a statement, on one line, to know it by. */
export function shorten(statement: string): string {
  const line = withoutLeadingComments(statement)
    .replaceAll(/\s+/g, ' ')
    .replace(/[\s;]+$/, '');
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}
