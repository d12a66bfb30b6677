import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresBinaries } from './binaries';
import { EmbeddedPostgresError } from './embeddedError';
import { errorCode, readIfThere } from './ownedFiles';
import { freePort } from './freePort';
import { startGuarded, type GuardedProcess } from './guardedProcess';
import type { Place } from './dataPlace';
import { isServerOf } from './processIdentity';
import { childEnvironment, type ServerLog } from './serverLog';

export interface RunningServer {
  process: GuardedProcess;
  port: number;
}

export interface ServerSettings {
  durable: boolean;
  maxConnections: number | undefined;
}

const startTimeout = 30_000;
/**
 * Milliseconds. Recovery after a crash may take longer than a start, and must not be interrupted.
 */
const recoveryTimeout = 300_000;
const stopPatience = 20_000;
const emptyPidPatience = 1_000;
const portAttempts = 10;
const poll = 10;

const portTaken = /could not create any TCP\/IP sockets/;
const oldServerRemains =
  /lock file "postmaster.pid" (already exists|is empty)|pre-existing shared memory block/;

/**
 * Starts the server and waits until it accepts connections. It first stops an older server that a
 * killed process left. If another process takes the port in the meantime, it uses another port.
 * @throws EmbeddedPostgresError with the server's last lines if it does not start
 */
export async function startServer(
  place: Place,
  binaries: PostgresBinaries,
  settings: ServerSettings,
  serverLog: ServerLog,
): Promise<RunningServer> {
  const deadline = Date.now() + startTimeout;
  for (let attempt = 1; ; attempt += 1) {
    const stalePid = await settleOldServer(place.cluster);
    const port = await freePort();
    const mark = serverLog.mark();
    const server = await startGuarded({
      program: binaries.postgres,
      args: serverArguments(place.cluster, port, settings),
      account: place.account,
      env: {
        ...childEnvironment,
        // Postgres refuses to start while the pid in a stale postmaster.pid is alive, unless that
        // pid is its own grandparent's. This is how pg_ctl names the grandparent. The check of the
        // shared memory still applies.
        ...(stalePid === null ? {} : { PG_GRANDPARENT_PID: String(stalePid) }),
      },
      output: serverLog.descriptor,
    });
    if (await becomesReady(server, place.cluster, port)) return { process: server, port };
    const lines = serverLog.lastLines(mark);
    if (portTaken.test(lines) && attempt < portAttempts) continue;
    if (oldServerRemains.test(lines) && Date.now() < deadline) {
      await delay(poll * 10);
      continue;
    }
    throw new EmbeddedPostgresError(`The embedded Postgres did not start: ${lines}`);
  }
}

/** Stops the server: by a fast shutdown, then an immediate one, then by SIGKILL. */
export function stopServer(server: GuardedProcess): Promise<void> {
  return server.stop(stopPatience);
}

function serverArguments(cluster: string, port: number, settings: ServerSettings): string[] {
  const options: Record<string, string | number> = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    ...(settings.maxConnections === undefined ? {} : { max_connections: settings.maxConnections }),
    ...(settings.durable
      ? {}
      : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  return [
    '-D',
    cluster,
    ...Object.entries(options).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
  ];
}

/** Returns false if the server ended or did not become ready in time. */
async function becomesReady(
  server: GuardedProcess,
  cluster: string,
  port: number,
): Promise<boolean> {
  const began = Date.now();
  for (;;) {
    if (server.hasExited()) return false;
    const note = readPostmasterPid(cluster);
    const isOurs = note?.pid === server.pid;
    if (isOurs && note.status === 'ready' && note.port === port) return true;
    if (Date.now() - began > (isOurs ? recoveryTimeout : startTimeout)) {
      await stopServer(server);
      return false;
    }
    await delay(poll);
  }
}

/**
 * Stops the server of a killed process and waits until it has ended.
 * @returns the pid that a stale postmaster.pid names, or null
 */
async function settleOldServer(cluster: string): Promise<number | null> {
  const began = Date.now();
  for (let sent: NodeJS.Signals | null = null; ; await delay(poll)) {
    const waited = Date.now() - began;
    const note = readPostmasterPid(cluster);
    if (note === null) {
      if (!existsSync(pidFile(cluster))) return null;
      // A server writes its pid at once. A file that stays empty remains from a full or failed
      // disk.
      if (waited > emptyPidPatience) rmSync(pidFile(cluster), { force: true });
      continue;
    }
    if (!isServerOf(note.pid, cluster)) return note.pid;
    if (waited > stopPatience + 10_000) {
      throw new EmbeddedPostgresError(
        `An older Postgres server (pid ${note.pid}) still runs in ${cluster} and does not stop: end it, then start Gatehouse again.`,
      );
    }
    const signal =
      waited < stopPatience ? 'SIGINT' : waited < stopPatience + 5_000 ? 'SIGQUIT' : 'SIGKILL';
    if (signal !== sent) sendSignal(note.pid, signal);
    sent = signal;
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}

interface PostmasterPid {
  pid: number;
  port: number;
  status: string;
}

function readPostmasterPid(cluster: string): PostmasterPid | null {
  const lines = readIfThere(pidFile(cluster))?.split('\n');
  const pid = Number(lines?.[0]);
  if (lines === undefined || !Number.isInteger(pid) || pid <= 0) return null;
  return { pid, port: Number(lines[3]), status: lines[7]?.trim() ?? '' };
}

function pidFile(cluster: string): string {
  return path.join(cluster, 'postmaster.pid');
}
