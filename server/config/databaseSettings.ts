import { MINUTE_MS, SECOND_MS } from '../durations';
import { isProduction } from './processSettings';
import type { Mode } from './processSettings';
import { integer, text, wordOr } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The settings of the database connection. */
export const databaseSettings = {
  DATABASE_URL: text(),
  DATABASE_POOL_SIZE: integer(10, 2, 200),
  DATABASE_WAIT_MS: integer(3000, 100, MINUTE_MS),
  DATABASE_STATEMENT_TIMEOUT_MS: integer(8000, SECOND_MS, MINUTE_MS),
  // The kind of pooler in front of the database. `auto` detects it by a trial.
  DATABASE_POOLER: wordOr('auto', ['auto', 'none', 'session', 'transaction']),
};

type DatabaseEnvironment = SettingsOf<typeof databaseSettings> & Mode;

/** Returns whether a part of a URL can be decoded. */
function decodes(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}

/** Parses a URL as the driver does: it may have no host and name a socket's folder in its query. */
function parse(url: string): URL | undefined {
  for (const candidate of [url, url.replace('@/', '@socket/')]) {
    if (URL.canParse(candidate)) return new URL(candidate);
  }
  return undefined;
}

const ENCODE =
  'percent-encode special characters in its user and password (@ is %40, / is %2F, # is %23, ? is %3F, % is %25).';

/**
 * Looks for a password that was not percent-encoded. A `/`, `?` or `#` in it ends the authority
 * part of the URL, so the rest of the password would be read as a path, and the user as a host. The
 * `@` after it reveals this.
 * @returns a sentence that repeats nothing of the URL, or undefined
 */
export function findDatabaseUrlProblem(url: string): string | undefined {
  if (!/^postgres(ql)?:\/\//.test(url)) {
    return 'DATABASE_URL must start with postgres:// or postgresql://.';
  }
  // The driver drops some of these characters and encodes others again.
  if (/[\s\u0000-\u001f\u007f]/.test(url)) {
    return `DATABASE_URL holds a space or a line break: ${ENCODE}`;
  }
  const parsed = parse(url);
  if (!parsed) return `DATABASE_URL is not a URL: ${ENCODE}`;
  const { pathname, search, hash, username, password } = parsed;
  if (/@/.test(pathname + search + hash)) {
    return `DATABASE_URL has an @ after its host: ${ENCODE}`;
  }
  if (hash !== '' || url.endsWith('#')) return `DATABASE_URL has a #: ${ENCODE}`;
  if (/%(?![0-9a-f]{2})/i.test(url) || ![username, password, pathname].every(decodes)) {
    return `DATABASE_URL has a % that begins no percent-encoded character: ${ENCODE}`;
  }
  return undefined;
}

/**
 * Writes `verify-full` for the TLS modes that the driver treats alike. The driver warns about them
 * because its next version will check less; with `verify-full` the certificate will still be
 * checked. With `uselibpqcompat=true` a mode has its libpq meaning, and stays.
 * @returns the URL, otherwise unchanged
 */
export function spellOutTlsMode(url: string): string {
  if (/[?&]uselibpqcompat=true(?=&|$)/.test(url)) return url;
  return url.replace(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/g, '$1verify-full');
}

/** @returns a sentence if production has no database */
export function findMissingDatabase(env: DatabaseEnvironment): string[] {
  if (!isProduction(env) || env.DATABASE_URL) return [];
  return ['DATABASE_URL is missing: production needs the URL of its Postgres database.'];
}

/** @returns a sentence if DATABASE_URL is invalid; it does not repeat the URL */
export function findDatabaseProblems({ DATABASE_URL }: DatabaseEnvironment): string[] {
  const problem = DATABASE_URL && findDatabaseUrlProblem(DATABASE_URL);
  return problem ? [problem] : [];
}

/** Reads settings that {@link findDatabaseProblems} has accepted. */
export const readDatabaseSettings = (env: DatabaseEnvironment) => ({
  mode: env.DATABASE_URL ? ('external' as const) : ('embedded' as const),
  databaseUrl: env.DATABASE_URL && spellOutTlsMode(env.DATABASE_URL),
  databasePoolSize: env.DATABASE_POOL_SIZE,
  databaseWaitMs: env.DATABASE_WAIT_MS,
  databaseStatementTimeoutMs: env.DATABASE_STATEMENT_TIMEOUT_MS,
  databasePooler: env.DATABASE_POOLER,
});
