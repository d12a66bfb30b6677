import { isNativeError } from 'node:util/types';

/**
 * The kinds of database faults. Only this file interprets the errors of Postgres and its driver.
 * Drizzle wraps driver errors, so the SQLSTATE is searched along the chain of causes.
 */
export type DatabaseFault =
  /**
   * The database is unreachable, shutting down, out of connections or too slow. A later retry may
   * succeed.
   */
  | 'unavailable'
  | 'missing_table'
  | 'missing_column'
  | 'unique_violation'
  | 'foreign_key_violation'
  /** The data cannot be stored as given (SQLSTATE class 22). */
  | 'bad_data'
  /** Deadlock or serialization failure: a retry of the same request may succeed. */
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

/** Faults that the driver reports only by a message. */
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
  '25P03': 'unavailable',
  // A pooler assigned another client's session, in which a prepared statement is missing or already
  // exists.
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
 * Returns the kind of database fault that an error is.
 * @returns undefined if it is no database fault, but a bug or an error of this program
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

/** Returns whether an error, or one of its causes, has this SQLSTATE. */
function hasState(error: unknown, state: string): boolean {
  let current = error;
  for (let depth = 0; depth < 5 && isNativeError(current); depth += 1) {
    if ((current as Error & { code?: unknown }).code === state) return true;
    current = current.cause;
  }
  return false;
}

/** Returns whether Postgres cancelled the statement, as it does at `statement_timeout`. */
export const isStatementTimeout = (error: unknown): boolean => hasState(error, '57014');

/** Returns whether Postgres has no room left on its disk. */
export const isDiskFull = (error: unknown): boolean => hasState(error, '53100');

/** Returns whether the role lacks a privilege, or does not own the object. */
export const isPermissionDenied = (error: unknown): boolean => hasState(error, '42501');

/** Returns the name of the violated constraint, if the error contains it. */
export function violatedConstraint(error: unknown): string | undefined {
  let current = error;
  for (let depth = 0; depth < 5 && isNativeError(current); depth += 1) {
    const { constraint } = current as Error & { constraint?: unknown };
    if (typeof constraint === 'string') return constraint;
    current = current.cause;
  }
  return undefined;
}
