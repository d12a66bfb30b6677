import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from 'pg';
import { builtScript } from '../helpers/server/builtScript';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '@/server/embedded/embeddedPostgres';

const repository = path.resolve(__dirname, '../..');
const source = path.join(__dirname, 'fixtures', 'runEmbeddedPostgres.ts');

type Account = { uid: number; gid: number };

interface Report {
  event: 'loaded' | 'started' | 'stopped' | 'refused';
  url?: string;
  bystander?: number;
  message?: string;
}

/** A process of its own that runs the embedded database on command. */
export interface Runner {
  child: ChildProcess;
  pid: number;
  say(line: 'start' | 'stop'): void;
  next(): Promise<Report>;
  start(): Promise<Report>;
  exited: Promise<number | null>;
}

async function launchRunner(
  dataDir: string,
  account: Account | undefined,
): Promise<Omit<Runner, 'start'>> {
  const child = spawn(process.execPath, [builtScript(source), dataDir], {
    cwd: repository,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], TMPDIR: os.tmpdir() },
    ...(account ?? {}),
  });
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const line = await lines.next();
    if (line.done === true) throw new Error('the runner ended without any output');
    return JSON.parse(line.value) as Report;
  };
  const say = (line: string) => void child.stdin.write(`${line}\n`);
  await next();
  return { child, pid: child.pid as number, say, next, exited };
}

/** Creates a folder under the system's temporary one that every account can pass through. */
function makeTemporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'gatehouse-postgres-')));
  chmodSync(folder, 0o711);
  return folder;
}

/** Returns whether an account without rights can read the tests. If not, it cannot run them. */
export function othersCanReadUs(): boolean {
  for (let folder = repository; ; folder = path.dirname(folder)) {
    if ((statSync(folder).mode & 0o5) !== 0o5) return false;
    if (folder === path.dirname(folder)) return true;
  }
}

export async function until(what: string, holds: () => boolean, timeout = 20_000): Promise<void> {
  const deadline = Date.now() + timeout;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`did not happen within ${timeout} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return process.platform !== 'linux';
  }
}

export function serverPid(dataDir: string, cluster = path.join(dataDir, 'cluster')): number {
  return Number(readFileSync(path.join(cluster, 'postmaster.pid'), 'utf8').split('\n')[0]);
}

export async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

export async function expectAnswer({ url }: { url: string }): Promise<void> {
  expect(await ask(url, 'SELECT 1 AS one')).toStrictEqual([{ one: 1 }]);
}

/**
 * Gives each test a fresh data folder. All databases that a test runs in it are removed afterwards.
 */
export function useDataFolder() {
  const databases: EmbeddedPostgres[] = [];
  const children: ChildProcess[] = [];
  const strays: number[] = [];
  const place = { folder: '', dataDir: '' };

  beforeEach(() => {
    place.folder = makeTemporaryFolder();
    place.dataDir = path.join(place.folder, 'data');
  });
  afterEach(async () => {
    await stopAll();
    for (const child of children.splice(0)) child.kill('SIGKILL');
    for (const pid of strays.splice(0).filter(isRunning)) process.kill(pid, 'SIGKILL');
    rmSync(place.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });

  async function stopAll(): Promise<void> {
    await Promise.all(databases.splice(0).map((database) => database.stop()));
  }
  async function start(): Promise<EmbeddedPostgres> {
    const database = await startEmbeddedPostgres({ dataDir: place.dataDir, durable: false });
    databases.push(database);
    return database;
  }
  async function runner(account?: Account): Promise<Runner> {
    const launched = await launchRunner(place.dataDir, account);
    children.push(launched.child);
    const next = async () => {
      const report = await launched.next();
      if (report.bystander !== undefined) strays.push(report.bystander);
      return report;
    };
    const startIt = () => {
      launched.say('start');
      return next();
    };
    return { ...launched, next, start: startIt };
  }
  async function startedRunner(account?: Account): Promise<Runner & { url: string }> {
    const launched = await runner(account);
    const { url, message } = await launched.start();
    if (url === undefined) throw new Error(message);
    return { ...launched, url };
  }
  return {
    place,
    start,
    stopAll,
    runner,
    startedRunner,
    adopt: (child: ChildProcess) => children.push(child),
  };
}
