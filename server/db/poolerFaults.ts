/** The target of a connection, as the driver reads it from the URL and its environment. */
export interface Target {
  /** `host:port/database`. */
  readonly at: string;
  readonly server: string;
  readonly database: string;
  readonly user: string;
  readonly hasPassword: boolean;
}

type Sentence = (target: Target, named: string) => string;

const LISTS_USERS = 'list of users (auth_file or auth_query)';

const REFUSED_LOGIN: Sentence = ({ server, user, hasPassword }) =>
  hasPassword
    ? `The pooler at ${server} does not know user ${user}, or refuses its password: check the user and password in DATABASE_URL, and the pooler's ${LISTS_USERS}.`
    : `The pooler at ${server} asks for the password of user ${user}, but DATABASE_URL contains none.`;

const NO_DATABASE: Sentence = ({ server }, database) =>
  `There is no database ${database} behind the pooler at ${server}: create it, or check the database name in DATABASE_URL and the pooler's list of databases.`;

const NO_ROOM: Sentence = ({ server, user }, setting) =>
  `The pooler at ${server} has no connection left for user ${user}: raise its ${setting}, or lower DATABASE_POOL_SIZE.`;

const NO_SESSION: Sentence = ({ server }, setting) =>
  `The pooler at ${server} got no session of Postgres in time (${setting}): check its log. Start Postgres behind it, or raise its default_pool_size.`;

/**
 * The messages of PgBouncer. It gives almost every fault the SQLSTATE 08P01, so only the message
 * distinguishes them. Newer releases wrap an earlier message in one of their own, so no pattern is
 * anchored at the start of the text.
 */
const BY_WORDS: readonly (readonly [RegExp, Sentence])[] = [
  [
    /authentication failed for user "([^"]*)"/,
    ({ server }, user) =>
      `Postgres behind the pooler at ${server} refuses the pooler's own login as user ${user}: check the user and password in the pooler's settings (its list of databases, auth_file or auth_query).`,
  ],
  [
    /"trust" authentication failed|no such user/,
    ({ server, user }) =>
      `The pooler at ${server} does not know user ${user}: check the user in DATABASE_URL, and the pooler's ${LISTS_USERS}.`,
  ],
  [
    /(?:password|SASL|PAM|LDAP) authentication failed|empty password returned by client|auth failed/,
    REFUSED_LOGIN,
  ],
  [/no such database: (.*?)(?: \(server_login_retry\))?$/, NO_DATABASE],
  [/database "([^"]*)" does not exist/, NO_DATABASE],
  [
    /database "([^"]*)" is disabled/,
    ({ server }, database) =>
      `The database ${database} is disabled in the pooler at ${server}: enable it in the pooler's admin console.`,
  ],
  [/no more connections allowed \((\w+)\)/, NO_ROOM],
  [/client connections exceeded \((\w+)\)/, NO_ROOM],
  [/(query_wait_timeout|server_login_retry|client_login_timeout)/, NO_SESSION],
  [
    /SSL required/,
    ({ server }) =>
      `The pooler at ${server} admits nobody without TLS: add sslmode=verify-full to DATABASE_URL.`,
  ],
  [
    /login rejected|certificate authentication failed/,
    ({ server, user }) =>
      `The pooler at ${server} does not admit user ${user} from this machine: check its auth_type and auth_hba_file.`,
  ],
];

/**
 * Explains why a pooler refuses the connection.
 * @param target the host, port, database and user of DATABASE_URL
 * @returns one sentence without any part of a password; undefined if no pooler refused
 */
export function explainPoolerFault(
  target: Target,
  { code, message }: Error & { code?: unknown },
): string | undefined {
  if (code !== '08P01') return undefined;
  for (const [pattern, sentence] of BY_WORDS) {
    const match = pattern.exec(message);
    if (match) return sentence(target, match[1] ?? '');
  }
  return undefined;
}
