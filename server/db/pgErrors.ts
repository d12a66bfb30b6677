import { isNativeError } from 'node:util/types';

/**
 * The one place that knows what Postgres and its driver say. Drizzle wraps driver errors, so the SQLSTATE
 * is looked for along the chain of causes.
 */
export type DatabaseFault =
  /** Unreachable, shutting down, out of connections or too slow: try again later. */
  | 'unavailable'
  | 'missing_table'
  | 'missing_column'
  | 'unique_violation'
  | 'foreign_key_violation'
  /** The data cannot be stored as given (SQLSTATE class 22). */
  | 'bad_data'
  /** Deadlock or serialization failure: the same request may pass next time. */
  | 'conflict'
  | 'read_only';

const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
  'ENOENT',
]);

/** What the driver says in words only. */
const DRIVER_MESSAGES =
  /timeout exceeded when trying to connect|timeout expired|Query read timeout|Connection terminated|not queryable|Cannot use a pool after calling end/;

const BY_SQLSTATE: Readonly<Record<string, DatabaseFault>> = {
  '42P01': 'missing_table',
  '42703': 'missing_column',
  '23505': 'unique_violation',
  '23503': 'foreign_key_violation',
  '40001': 'conflict',
  '40P01': 'conflict',
  '55P03': 'conflict',
  '25006': 'read_only',
  '57014': 'unavailable',
  '57P01': 'unavailable',
  '57P02': 'unavailable',
  '57P03': 'unavailable',
  '57P05': 'unavailable',
  // A pooler gave another client's session, in which a prepared statement is missing or already there.
  '26000': 'unavailable',
  '42P05': 'unavailable',
  '3D000': 'unavailable',
  '28P01': 'unavailable',
  '28000': 'unavailable',
};

function faultOf(error: Error & { code?: unknown }): DatabaseFault | undefined {
  const code = typeof error.code === 'string' ? error.code : '';
  if (NETWORK_CODES.has(code) || DRIVER_MESSAGES.test(error.message)) return 'unavailable';
  const named = BY_SQLSTATE[code];
  if (named) return named;
  if (/^(08|53)...$/.test(code)) return 'unavailable';
  if (/^22...$/.test(code)) return 'bad_data';
  return undefined;
}

/**
 * What kind of database fault an error is.
 * @returns undefined where it is none: a bug, or an error of ours
 */
export function databaseFault(error: unknown): DatabaseFault | undefined {
  let current = error;
  for (let depth = 0; depth < 5 && isNativeError(current); depth += 1) {
    const fault = faultOf(current);
    if (fault) return fault;
    current = current.cause;
  }
  return undefined;
}

/** Whether an error, or one that caused it, has this SQLSTATE. */
function hasState(error: unknown, state: string): boolean {
  let current = error;
  for (let depth = 0; depth < 5 && isNativeError(current); depth += 1) {
    if ((current as Error & { code?: unknown }).code === state) return true;
    current = current.cause;
  }
  return false;
}

/** Whether Postgres cancelled the statement, as it does at `statement_timeout`. */
export const isStatementTimeout = (error: unknown): boolean => hasState(error, '57014');

/** Whether Postgres has no room left on its disk. */
export const isDiskFull = (error: unknown): boolean => hasState(error, '53100');

/** Whether the role may not do this: it has no such privilege, or does not own the object. */
export const isPermissionDenied = (error: unknown): boolean => hasState(error, '42501');

/** The violated constraint's name, where the error says so. */
export function violatedConstraint(error: unknown): string | undefined {
  let current = error;
  for (let depth = 0; depth < 5 && isNativeError(current); depth += 1) {
    const { constraint } = current as Error & { constraint?: unknown };
    if (typeof constraint === 'string') return constraint;
    current = current.cause;
  }
  return undefined;
}
