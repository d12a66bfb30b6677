import type { Duplex } from 'node:stream';
import { isNativeError } from 'node:util/types';
import { Client } from 'pg';
import { SECOND_MS } from '../durations';
import { startReadTimeout } from './readTimeout';

/**
 * The kind of pooler between this process and the database.
 * - `none`: each connection is a session of the database.
 * - `session`: a pooler gives a connection one session for its whole life.
 * - `transaction`: a pooler gives each transaction any session.
 */
export type PoolerMode = 'none' | 'session' | 'transaction';

export interface DatabaseRoute {
  /**
   * Changes from `none` or `session` to `transaction` if a session turns out to belong to another
   * client.
   */
  mode: PoolerMode;
  /**
   * Only for `transaction`: after how many milliseconds every session cancels a statement by
   * itself, if it also has the time zone UTC; otherwise 0.
   */
  readonly limitMs: number;
}

/** Thrown if a pooler in front of the database cannot serve; the message is one plain sentence. */
export class PoolerError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PoolerError';
  }
}

const SILENCE_MS = 5000;
/**
 * A pooler under load may happen to give a transaction another session, but not three times in a
 * row.
 */
const ROUNDS = 3;

const routes = new Map<string, Promise<DatabaseRoute>>();

const UNSUPPORTED = /unsupported startup parameter(?: in options)?: (\S+)/;
const STATEMENTS = /transaction blocks not allowed in statement pooling mode/;

/**
 * Collects the messages of all causes, because the driver's error may be the cause of the query's
 * error.
 */
function messagesOf(error: unknown): string {
  const messages: string[] = [];
  let current = error;
  for (let depth = 0; depth < 5 && isNativeError(current); depth += 1) {
    messages.push(current.message);
    current = current.cause;
  }
  return messages.join('\n');
}

/**
 * Explains an error of a pooler.
 * @param url the URL of the connection, if it may have been opened for a kind of pooler that
 *   `DATABASE_POOLER` names wrongly
 * @returns one sentence, or undefined if no pooler refused
 */
export function explainPooler(error: unknown, url?: string): string | undefined {
  const said = messagesOf(error);
  const [, parameter] = UNSUPPORTED.exec(said) ?? [];
  const isOurs = (name: string) =>
    url !== undefined && ![`?${name}=`, `&${name}=`].some((part) => url.includes(part));
  if (parameter !== undefined && isOurs(parameter)) {
    return `The pooler in front of the database refuses the startup parameter ${parameter}, which Gatehouse sends only if DATABASE_POOLER says that there is no pooler: set DATABASE_POOLER=auto.`;
  }
  if (parameter !== undefined) {
    return `The pooler in front of the database refuses the startup parameter ${parameter}: remove it from DATABASE_URL, or add it to ignore_startup_parameters of the pooler.`;
  }
  if (STATEMENTS.test(said)) {
    return 'The pooler in front of the database pools single statements and refuses transactions: set its pool_mode to transaction or session.';
  }
  return undefined;
}

/** Sends no parameter that a pooler could refuse. */
const newClient = (url: string) =>
  new Client({ connectionString: url, application_name: 'gatehouse-route', keepAlive: true });

async function sessionOf(client: Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

async function readLimit(client: Client): Promise<number> {
  const { rows } = await client.query<{ name: string; value: string }>(
    `SELECT name, reset_val AS value FROM pg_settings WHERE name IN ('statement_timeout', 'TimeZone')`,
  );
  const values = new Map(rows.map(({ name, value }) => [name, value]));
  const isUtc = /^(Etc\/)?(UTC|GMT)$/i.test(values.get('TimeZone') ?? '');
  return isUtc ? Number(values.get('statement_timeout') ?? 0) : 0;
}

/**
 * Finds out by two connections how sessions are assigned. While the first connection is open and
 * idle, a transaction of the second can only run in the first one's session if sessions are
 * assigned to transactions.
 */
async function look(first: Client, second: Client): Promise<DatabaseRoute> {
  for (let round = 0; round < ROUNDS; round += 1) {
    const session = await sessionOf(first);
    await second.query('BEGIN');
    const other = await sessionOf(second);
    // The first session is only asked again after the comparison, because a pool with one session
    // would wait for itself.
    const shared = other === session || (await sessionOf(first)) !== session;
    await second.query('ROLLBACK');
    if (shared) return { mode: 'transaction', limitMs: await readLimit(second) };
    // The server sends each connection its process id, but a pooler sends a made-up one.
    const processIds = [first, second].map((client) => (client as unknown as Numbered).processID);
    if (processIds[0] === session && processIds[1] === other) return { mode: 'none', limitMs: 0 };
  }
  return { mode: 'session', limitMs: 0 };
}

interface Numbered {
  processID: number | null;
  connection: { stream: Duplex };
}

async function findByLooking(url: string): Promise<DatabaseRoute> {
  const clients = [newClient(url), newClient(url)] as const;
  const silence = { met: false };
  const stop = startReadTimeout(SILENCE_MS, () => {
    silence.met = true;
    for (const client of clients) {
      const { stream } = (client as unknown as Numbered).connection;
      stream.destroy(new Error('Connection terminated: the database is silent'));
    }
  });
  for (const client of clients) {
    client.on('error', () => undefined);
    // No code listens to the stream of the second client before it begins to connect. Without a
    // listener, an error would end the process.
    (client as unknown as Numbered).connection.stream.on('error', () => undefined);
  }
  let connected = 0;
  try {
    for (const client of clients) {
      await client.connect();
      connected += 1;
    }
    return await look(...clients);
  } catch (error) {
    const said = explainPooler(error);
    if (said !== undefined) throw new PoolerError(said, { cause: error });
    throw silence.met && connected > 0 ? noSecond(error) : error;
  } finally {
    stop();
    await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
  }
}

const noSecond = (cause: unknown) =>
  new Error(
    `Connection terminated: the database did not answer on a second connection within ${SILENCE_MS / SECOND_MS} s; a pooler must have free sessions (see docs/deployment.md).`,
    { cause },
  );

/**
 * Finds out, once for each process, which kind of pooler is in front of the database. A failure is
 * not cached.
 * @throws PoolerError if a pooler refuses something that every connection needs; otherwise the
 *   driver's error
 */
export function findRoute(url: string): Promise<DatabaseRoute> {
  const known = routes.get(url);
  if (known) return known;
  const finding = findByLooking(url);
  routes.set(url, finding);
  finding.catch(() => routes.delete(url));
  return finding;
}

/** Declares the kind of pooler in front of a database, so that it is not detected. */
export function declareRoute(url: string, mode: PoolerMode): void {
  routes.set(url, Promise.resolve({ mode, limitMs: 0 }));
}
