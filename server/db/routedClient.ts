import { Client } from 'pg';
import type { ClientConfig, QueryConfig } from 'pg';
import { findRoute } from './databaseRoute';
import type { DatabaseRoute } from './databaseRoute';

/**
 * After so many milliseconds Postgres ends a transaction whose client sends nothing more. A node
 * that the network cut off would otherwise hold its locks until TCP notices, hours later.
 */
const IDLE_IN_TRANSACTION_MS = 15_000;

/** Startup parameters that Postgres accepts, but a pooler may refuse. */
export const OPTIONS = `-c jit=off -c timezone=UTC -c idle_in_transaction_session_timeout=${IDLE_IN_TRANSACTION_MS}`;

type Callback = (error: Error | undefined, result?: unknown) => void;
type Query = (...args: unknown[]) => unknown;
type Run = (config: unknown, values?: unknown) => Promise<unknown>;

const BEGIN = /^\s*(?:begin|start\s+transaction)\b[^;]*/i;
const END = /^\s*(?:commit|rollback|end|abort)\b/i;
/** The session has no such prepared statement, or already has one with that name. */
const NOT_MINE = new Set(['26000', '42P05']);

const settings = (set: string, limitMs: number) =>
  `${set} statement_timeout = ${limitMs}; ${set} idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS}; ${set} timezone = 'UTC'; ${set} jit = off`;

const textOf = (config: unknown) =>
  typeof config === 'string' ? config : ((config as Partial<QueryConfig>).text ?? '');

const withText = (config: unknown, text: string): unknown =>
  typeof config === 'string' ? text : { ...(config as QueryConfig), text };

const isNamed = (config: unknown) =>
  typeof config === 'object' && (config as QueryConfig).name !== undefined;

const withoutName = (config: unknown): unknown =>
  isNamed(config) ? { ...(config as QueryConfig), name: undefined } : config;

/**
 * Runs one statement in a transaction with the limits, because other clients may use the session
 * before and after it.
 */
async function runLimited(run: Run, begin: string, config: unknown, values: unknown) {
  try {
    await run(begin);
    const result = await run(config, values);
    await run('COMMIT');
    return result;
  } catch (error) {
    await run('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

interface Routing {
  client: Client;
  route: DatabaseRoute;
  /** How many milliseconds a statement may take before Postgres cancels it. */
  limitMs: number;
  run: Run;
}

/** Sends a statement in the way that the route to the database requires. */
async function send(routing: Routing, config: unknown, values: unknown): Promise<unknown> {
  const { client, route, limitMs, run } = routing;
  const text = textOf(config);
  const idle = client.getTransactionStatus() === 'I';
  if (route.mode !== 'transaction') {
    try {
      return await run(config, values);
    } catch (error) {
      const { code = '' } = error as { code?: string };
      // The statement did not run, because the pooler assigned another client's session. From now
      // on, this client assumes no session of its own.
      if (!NOT_MINE.has(code) || !isNamed(config)) throw error;
      route.mode = 'transaction';
      if (!idle) throw error;
      return send(routing, config, values);
    }
  }
  const limits = settings('SET LOCAL', limitMs);
  const [begin] = BEGIN.exec(text) ?? [];
  if (begin !== undefined) {
    return run(withText(config, `${begin}; ${limits}${text.slice(begin.length)}`), values);
  }
  const bounded = route.limitMs > 0 && route.limitMs <= limitMs;
  if (!idle || bounded || END.test(text)) return run(withoutName(config), values);
  return runLimited(run, `BEGIN; ${limits}`, withoutName(config), values);
}

/** Replaces a client's `query`. Streams and other query objects are passed on unchanged. */
function routeQueries(client: Client, route: DatabaseRoute, limitMs: number): void {
  const query = client.query.bind(client) as Query;
  const run: Run = (config, values) =>
    query(config, ...(values === undefined ? [] : [values])) as Promise<unknown>;
  const routing = { client, route, limitMs, run };
  const routed = (...args: unknown[]): unknown => {
    const [config, second, third] = args;
    // The hot path: the statement goes to the driver unchanged.
    const plain = route.mode !== 'transaction' && !isNamed(config);
    if (plain || typeof (config as { submit?: unknown }).submit === 'function')
      return query(...args);
    const values = typeof second === 'function' ? undefined : second;
    const sent = send(routing, config, values);
    const callback = (typeof second === 'function' ? second : third) as Callback | undefined;
    if (callback === undefined) return sent;
    sent.then((result) => callback(undefined, result), callback);
    return undefined;
  };
  client.query = routed as typeof client.query;
}

/**
 * A connection that first finds out which pooler is in front of the database. Without a pooler it
 * sends its limits as startup parameters. Through a pooler it sets them in the session, or in each
 * transaction.
 */
export class RoutedClient extends Client {
  private readonly url: string;
  private readonly limitMs: number;

  constructor(config?: string | ClientConfig) {
    super(config);
    const { connectionString = '', statement_timeout: limit } = config as ClientConfig;
    this.url = connectionString;
    this.limitMs = Number(limit);
  }

  override connect(): Promise<this>;
  override connect(callback: (error: Error) => void): void;
  override connect(callback?: (error: Error) => void): Promise<this> | undefined {
    const opened = this.open();
    if (callback === undefined) return opened;
    opened.then(() => (callback as () => void)(), callback);
    return undefined;
  }

  private async open(): Promise<this> {
    // The pool does not listen yet. Without a listener, an error would end the process.
    this.on('error', () => undefined);
    const route = await findRoute(this.url);
    const { mode } = route;
    if (mode !== 'none') this.leaveOutParameters();
    await super.connect();
    if (mode === 'session') await this.query(settings('SET', this.limitMs));
    routeQueries(this, route, this.limitMs);
    return this;
  }

  private leaveOutParameters(): void {
    const { connectionParameters: parameters } = this as unknown as {
      connectionParameters: { statement_timeout?: unknown; options?: unknown };
    };
    parameters.statement_timeout = false;
    // Options in DATABASE_URL are the operator's choice, so they stay.
    if (parameters.options === OPTIONS) parameters.options = undefined;
  }
}
