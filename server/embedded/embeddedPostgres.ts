import { rmSync } from 'node:fs';
import path from 'node:path';
import { Client } from 'pg';
import { locateBinaries } from './binaries';
import { ensureCluster } from './cluster';
import {
  acquireDataDirectoryLock,
  readLockOwner,
  type DataDirectoryLock,
} from './dataDirectoryLock';
import { EmbeddedPostgresError } from './embeddedError';
import { readIfThere, writeAtomically } from './ownedFiles';
import {
  choosePassword,
  choosePlace,
  prepareDataDir,
  readPassword,
  rememberPlace,
} from './dataPlace';
import { identifyProcess, isAlive, type ProcessIdentity } from './processIdentity';
import { startServer, stopServer, type RunningServer } from './postgresServer';
import { openServerLog } from './serverLog';

export { EmbeddedPostgresError };

export interface EmbeddedPostgres {
  /** `postgres://gatehouse:<password>@127.0.0.1:<port>/gatehouse` */
  url: string;
  port: number;
  /** Shuts the server down. Resolves when its process has ended. */
  stop(): Promise<void>;
  /** Calls back if the server ends although `stop()` was not called. */
  onExit(callback: (code: number | null) => void): void;
}

export interface EmbeddedPostgresOptions {
  dataDir: string;
  /** False gives up safety against power failure for speed, in tests. The default is true. */
  durable?: boolean;
  maxConnections?: number;
  log?: (line: string) => void;
}

/**
 * Starts the Postgres that comes with the product, on 127.0.0.1 only, and creates its database at
 * the first start. The server stops if this process dies in any way.
 * @param opts the data folder, and how the server runs
 * @returns the running server; it does not keep this process from exiting
 * @throws EmbeddedPostgresError with one sentence for the operator, for every failure
 */
export async function startEmbeddedPostgres(
  opts: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  try {
    const dataDir = prepareDataDir(path.resolve(opts.dataDir));
    const lock = acquireDataDirectoryLock(dataDir);
    try {
      return await startLocked(dataDir, lock, opts);
    } catch (error) {
      lock.release();
      throw error;
    }
  } catch (error) {
    throw forOperator(error, opts.dataDir);
  }
}

/**
 * Finds the server that a living process of Gatehouse runs on a data folder.
 * @param dataDir the data folder
 * @returns its connection URL, or null if none runs
 * @throws EmbeddedPostgresError if this account may not read the data folder
 */
export function findRunningEmbeddedPostgres(dataDir: string): Promise<string | null> {
  const folder = path.resolve(dataDir);
  try {
    const owner = readLockOwner(folder);
    const note = readRunningNote(folder);
    const isCurrent =
      owner !== null &&
      note !== null &&
      note.owner.pid === owner.pid &&
      note.owner.start === owner.start &&
      isAlive(note.server);
    const password = isCurrent ? readPassword(folder) : null;
    return Promise.resolve(
      isCurrent && password !== null ? urlOf(note.port, password, 'gatehouse') : null,
    );
  } catch (error) {
    return Promise.reject(forOperator(error, dataDir));
  }
}

async function startLocked(
  dataDir: string,
  lock: DataDirectoryLock,
  { durable = true, maxConnections, log = () => undefined }: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const place = choosePlace(dataDir, log);
  const binaries = await locateBinaries(dataDir, place.account);
  const password = choosePassword(place);
  const serverLog = openServerLog(dataDir);
  let server: RunningServer | undefined;
  try {
    if (await ensureCluster(place, binaries, password, durable, serverLog)) {
      log(`made a new database in ${place.cluster}`);
    }
    rememberPlace(place);
    server = await startServer(place, binaries, { durable, maxConnections }, serverLog);
    await ensureDatabase(server.port, password);
    writeRunningNote(dataDir, lock.owner, server);
    log(`the embedded Postgres listens on 127.0.0.1:${server.port} (pid ${server.process.pid})`);
    return supervise(server, urlOf(server.port, password, 'gatehouse'), () => {
      rmSync(runningFile(dataDir), { force: true });
      lock.release();
    });
  } catch (error) {
    if (server !== undefined) await stopServer(server.process);
    throw error;
  } finally {
    serverLog.close();
  }
}

function supervise(
  { process: server, port }: RunningServer,
  url: string,
  cleanUp: () => void,
): EmbeddedPostgres {
  let stopping: Promise<void> | undefined;
  const unasked = server.exited.then((code) => {
    cleanUp();
    return { code, wasAsked: stopping !== undefined };
  });
  return {
    url,
    port,
    stop() {
      stopping ??= stopServer(server).then(() => unasked.then(() => undefined));
      return stopping;
    },
    onExit(callback) {
      void unasked.then(({ code, wasAsked }) => {
        if (!wasAsked) callback(code);
      });
    },
  };
}

/** Creates the database at the first start. If that start is interrupted, the next one does it. */
async function ensureDatabase(port: number, password: string): Promise<void> {
  const client = new Client({
    connectionString: urlOf(port, password, 'postgres'),
    // Without this line, the driver would apply a PGSSLMODE that is meant for another server.
    ssl: false,
    connectionTimeoutMillis: 10_000,
  });
  await client.connect();
  try {
    const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = 'gatehouse'");
    if (rowCount === 0) await client.query('CREATE DATABASE gatehouse');
  } finally {
    await client.end();
  }
}

function urlOf(port: number, password: string, database: string): string {
  return `postgres://gatehouse:${password}@127.0.0.1:${port}/${database}`;
}

interface RunningNote {
  owner: ProcessIdentity;
  server: ProcessIdentity;
  port: number;
}

function writeRunningNote(dataDir: string, owner: ProcessIdentity, running: RunningServer): void {
  const { pid } = running.process;
  const server = identifyProcess(pid) ?? { pid, start: '' };
  const note: RunningNote = { owner, server, port: running.port };
  writeAtomically(runningFile(dataDir), JSON.stringify(note), 0o644);
}

function readRunningNote(dataDir: string): RunningNote | null {
  const text = readIfThere(runningFile(dataDir));
  return text === null ? null : (JSON.parse(text) as RunningNote);
}

function runningFile(dataDir: string): string {
  return path.join(dataDir, 'running.json');
}

function forOperator(error: unknown, dataDir: string): EmbeddedPostgresError {
  if (error instanceof EmbeddedPostgresError) return error;
  const because = String(error).replace(/^Error: /, '');
  return new EmbeddedPostgresError(
    `The embedded Postgres cannot be used with the data folder ${dataDir}: ${because}`,
    { cause: error },
  );
}
