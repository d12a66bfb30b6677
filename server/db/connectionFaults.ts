import { isNativeError } from 'node:util/types';
import { Client } from 'pg';
import { explainPooler } from './databaseRoute';
import { explainPoolerFault } from './poolerFaults';
import type { Target } from './poolerFaults';

type Sentence = (target: Target, error: Error & { code?: unknown }) => string;

const UNREACHED = ({ server }: Target, why: string, mend: string) =>
  `The database server ${server} cannot be reached: ${why}. ${mend}`;

const CERTIFICATE: Sentence = ({ server }, { code }) =>
  `The certificate of the database server ${server} is not trusted (${String(code)}): name its authority with sslrootcert in DATABASE_URL, or give the server a certificate for its name.`;

const REFUSED_PASSWORD: Sentence = ({ server, user, hasPassword }) =>
  hasPassword
    ? `The database server ${server} refuses the password of user ${user}: check the user and password in DATABASE_URL.`
    : `The database server ${server} asks for the password of user ${user}, but DATABASE_URL contains none.`;

const TIMED_OUT: Sentence = (target) =>
  UNREACHED(
    target,
    'it does not answer in time',
    'Check the host and port in DATABASE_URL, the firewalls on the way, and the log of the pooler if there is one.',
  );

const NO_HOST: Sentence = (target) =>
  UNREACHED(
    target,
    'there is no such host, or its name cannot be resolved',
    'Check the host in DATABASE_URL.',
  );

const NO_ROUTE: Sentence = (target, { code }) =>
  UNREACHED(
    target,
    `there is no route to its network (${String(code)})`,
    'Check the host in DATABASE_URL.',
  );

const BROKEN_OFF: Sentence = (target) =>
  UNREACHED(
    target,
    'the connection was broken off',
    'Check the host and port in DATABASE_URL, and the log of that server.',
  );

const BY_CODE: Readonly<Record<string, Sentence>> = {
  ECONNREFUSED: (target) =>
    UNREACHED(
      target,
      'nothing listens on that port',
      'Start Postgres, or check the host and port in DATABASE_URL.',
    ),
  ENOTFOUND: NO_HOST,
  EAI_AGAIN: NO_HOST,
  EAI_FAIL: NO_HOST,
  ETIMEDOUT: TIMED_OUT,
  EHOSTUNREACH: NO_ROUTE,
  ENETUNREACH: NO_ROUTE,
  ECONNRESET: BROKEN_OFF,
  EPIPE: BROKEN_OFF,
  ENOENT: ({ server }) =>
    `There is no socket of a database server at ${server}: check the host in DATABASE_URL.`,
  EACCES: ({ server }) =>
    `This account may not use the socket of the database server at ${server}: check the host in DATABASE_URL.`,
  '3D000': ({ server, database }) =>
    `There is no database ${database} on the server ${server}: create it, or check the database name in DATABASE_URL.`,
  '28P01': REFUSED_PASSWORD,
  '53300': ({ server, user }) =>
    `The database server ${server} has no connection left for user ${user}: raise its max_connections, or lower DATABASE_POOL_SIZE.`,
  '57P03': ({ server }) =>
    `The database server ${server} is starting up or shutting down: try again in a moment.`,
};

/**
 * Matches `no pg_hba.conf entry for host …, no encryption`. Before Postgres 14 it ended with `SSL
 * off`.
 */
const TLS_MISSING = /no pg_hba\.conf entry[^]*(no encryption|SSL off)/;

function explainRefusal({ at, server, user }: Target, message: string): string {
  if (TLS_MISSING.test(message)) {
    return `The database server ${server} does not admit user ${user} without TLS, or not at all (pg_hba.conf): add sslmode=verify-full to DATABASE_URL, or an entry for ${at} to pg_hba.conf.`;
  }
  if (/no pg_hba\.conf entry/.test(message)) {
    return `The database server ${server} has no entry for user ${user} and ${at} in pg_hba.conf: add one, or check the user in DATABASE_URL.`;
  }
  if (/does not exist|is not permitted to log in/.test(message)) {
    return `The database server ${server} has no role ${user} that may log in: check the user in DATABASE_URL.`;
  }
  return `The database server ${server} refuses user ${user}: check the user and password in DATABASE_URL.`;
}

const BY_MESSAGE: readonly (readonly [RegExp, Sentence])[] = [
  [/client password must be a/, REFUSED_PASSWORD],
  [
    /does not support SSL connections/,
    ({ server }) =>
      `The database server ${server} offers no TLS: switch it on there, or remove sslmode from DATABASE_URL.`,
  ],
  [/timeout exceeded when trying to connect|timeout expired/, TIMED_OUT],
  [
    /Query read timeout/,
    ({ at }) =>
      `The database ${at} does not answer in time: check its log, and the sessions that hold locks in it.`,
  ],
  [/Connection terminated unexpectedly/, BROKEN_OFF],
  [
    /did not answer on a second connection/,
    (target) =>
      UNREACHED(
        target,
        'it answers on one connection, but not on a second one',
        'If it is a pooler, it must have free sessions (see docs/deployment.md).',
      ),
  ],
  [
    /the database is silent/,
    (target) =>
      UNREACHED(
        target,
        'it accepts the connection and then sends nothing',
        'If it is a pooler, check its log: perhaps it cannot reach Postgres, or Postgres refuses it.',
      ),
  ],
];

function sentenceFor(target: Target, error: Error & { code?: unknown }): string | undefined {
  const code = typeof error.code === 'string' ? error.code : '';
  const refused = explainPoolerFault(target, error);
  if (refused !== undefined) return refused;
  if (code === '28000') return explainRefusal(target, error.message);
  // Any file may be missing, so these codes only count if they come from connecting to a socket.
  if (/^(ENOENT|EACCES)$/.test(code) && (error as NodeJS.ErrnoException).syscall !== 'connect') {
    return undefined;
  }
  const known = Object.hasOwn(BY_CODE, code) ? BY_CODE[code] : undefined;
  if (known) return known(target, error);
  if (/CERT|SELF_SIGNED|UNABLE_TO_/.test(code)) return CERTIFICATE(target, error);
  const said = BY_MESSAGE.find(([pattern]) => pattern.test(error.message));
  return said?.[1](target, error);
}

/**
 * Uses the driver to parse the URL, so that the message names the target that was tried.
 * @throws the error of reading a certificate's file, if the URL names one
 */
function readTarget(url: string): Target {
  const { host, port, database, user, password } = new Client({ connectionString: url });
  const server = host.startsWith('/') ? host : `${host}:${port}`;
  return {
    at: `${server}/${database ?? ''}`,
    server,
    database: database ?? '',
    user: user ?? '',
    hasPassword: typeof password === 'string' && password !== '',
  };
}

/**
 * Explains why a database refuses the connection. There are different sentences for a wrong
 * password, a missing database, an unknown host and a closed port. They name server, database, user
 * and setting, but no part of a password: {@link findDatabaseUrlProblem} has already refused a URL
 * in which a password could be taken for another part.
 * @param error the driver's error, or an error that it caused
 * @param databaseUrl the setting; undefined in embedded mode, in which the reader does not
 *   configure the database
 * @returns undefined if it is another fault
 */
export function explainConnectionFault(
  error: unknown,
  databaseUrl: string | undefined,
): string | undefined {
  if (databaseUrl === undefined || databaseUrl === '') return undefined;
  let target: Target;
  try {
    target = readTarget(databaseUrl);
  } catch {
    return 'DATABASE_URL names a file of a certificate or key (sslrootcert, sslcert, sslkey) that cannot be read.';
  }
  const pooler = explainPooler(error, databaseUrl);
  if (pooler !== undefined) return pooler;
  let current = error;
  for (let depth = 0; depth < 5 && isNativeError(current); depth += 1) {
    const sentence = sentenceFor(target, current);
    if (sentence !== undefined) return sentence;
    current = current.cause;
  }
  return undefined;
}

/** Thrown if the database refuses this process; the message is a plain sentence. */
export class ConnectionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ConnectionError';
  }
}
