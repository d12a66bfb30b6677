import { withoutLeadingComments } from './readMigrations';

const NAME = String.raw`(?:"(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)`;
const CREATE_INDEX = new RegExp(
  String.raw`^CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?(${NAME})\s+ON\s+(?:ONLY\s+)?(?:(${NAME})\s*\.)?`,
  'iu',
);

/**
 * Returns the index that a `CREATE INDEX CONCURRENTLY` creates, as `schema."name"`.
 * @returns undefined for any other statement, and for an index without a name
 */
export function concurrentIndexOf(statement: string): string | undefined {
  const [, name, schema] = CREATE_INDEX.exec(withoutLeadingComments(statement)) ?? [];
  return name === undefined ? undefined : `${schema ?? 'public'}.${name}`;
}

/** Returns the statement that drops an index if it exists. It blocks nobody who uses the table. */
export const dropConcurrently = (index: string) => `DROP INDEX CONCURRENTLY IF EXISTS ${index}`;

const IF = String.raw`IF\s+(?:NOT\s+)?EXISTS\b`;
/**
 * Matches one statement with one action: nothing follows a semicolon, and no second action follows
 * a comma.
 */
const REPEATABLE = [
  String.raw`(?:CREATE|DROP)\s+(?:[a-z]+\s+){1,3}${IF}[^;]*`,
  String.raw`ALTER\s+TYPE\s+[^\s;]+\s+ADD\s+VALUE\s+${IF}[^;]*`,
  String.raw`ALTER\s+TABLE\s+[^,;]*\b(?:VALIDATE\s+CONSTRAINT\b|(?:ADD|DROP)\s+(?:COLUMN|CONSTRAINT)\s+${IF})[^,;]*`,
].map((form) => new RegExp(String.raw`^${form};?\s*$`, 'i'));

/**
 * Returns whether a statement may run again after it ran or was interrupted. If that is unclear,
 * the result is false.
 */
export function isRepeatable(statement: string): boolean {
  if (concurrentIndexOf(statement) !== undefined) return true;
  const text = withoutLeadingComments(statement);
  return REPEATABLE.some((form) => form.test(text));
}

/** Returns the beginning of a statement on one line, to identify it. */
export function shorten(statement: string): string {
  const line = withoutLeadingComments(statement)
    .replaceAll(/\s+/g, ' ')
    .replace(/[\s;]+$/, '');
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}
