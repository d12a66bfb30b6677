import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { watched } from '../testRun/answerFiles';
import { withKeptCode } from '../testRun/codeFiles';
import { pollUntil } from '../time/pollUntil';
import { RATE_LIMITS_OFF } from './rateLimitsOff';

export const REPOSITORY = join(__dirname, '..', '..', '..');

/**
 * The working folder of processes. A developer's `.env` in the repository must not affect tests.
 */
export const WORKING_FOLDER = join(REPOSITORY, 'tests');

/** The server as an operator runs it, in a process of its own. */
export interface ServerProcess {
  pid: number;
  stdout(): string;
  stderr(): string;
  /** Returns its URL once it has logged that. Throws if it ends instead of listening. */
  url(): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** The exit code; null after death by a signal. */
  exited: Promise<number | null>;
  hasExited(): boolean;
}

const started = new Set<ChildProcess>();

/** Ends all servers that a test left running. Call it after each test. */
export async function killServers(): Promise<void> {
  const left = [...started].filter((child) => child.exitCode === null && child.signalCode === null);
  started.clear();
  await Promise.all(
    left.map(async (child) => {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }),
  );
}

/**
 * Returns the settings of the test run (its keys, its cheap hashes, its long timeouts) for a
 * process with its own database.
 * @param databaseUrl the database; the default is the one of the test file
 */
export function externalEnv(databaseUrl = process.env['DATABASE_URL']): NodeJS.ProcessEnv {
  const names = [
    ...['JWT_SIGNING_KEY', 'TOKEN_HASH_KEY', 'ENCRYPTION_KEY', 'EVIDENCE_SIGNING_KEY'],
    // It names the role that applications under test connect as.
    'SCHEMA_KNOWN_ROLES',
  ];
  const cheap = { NODE_ENV: 'test', ARGON2_MEMORY_KIB: '1024', ARGON2_TIME_COST: '1' };
  const patient = {
    ANOMALY_TIMEOUT_MS: '5000',
    DATABASE_WAIT_MS: '30000',
    DATABASE_STATEMENT_TIMEOUT_MS: '30000',
  };
  const keys = Object.fromEntries(names.map((name) => [name, process.env[name]]));
  return { ...keys, ...cheap, ...patient, ...RATE_LIMITS_OFF, DATABASE_URL: databaseUrl };
}

/**
 * Starts `node dist/server/index.js` with only these settings, on a free port unless PORT is given.
 */
export function startServer(env: NodeJS.ProcessEnv): ServerProcess {
  const watch = watched();
  const script = join(REPOSITORY, 'dist', 'server', 'index.js');
  const child = spawn(process.execPath, [...withKeptCode(), ...watch.args, script], {
    cwd: WORKING_FOLDER,
    env: { PATH: process.env['PATH'], PORT: '0', ...watch.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.add(child);
  let stdout = '';
  let stderr = '';
  let gone = false;
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  // 'close' comes after all of the output.
  const exited = once(child, 'close').then(([code]) => {
    gone = true;
    return code as number | null;
  });
  const listeningAt = () => {
    const said = /Gatehouse listens on (\S+)\n/.exec(stdout)?.[1];
    if (said === undefined && gone) throw new Error(`the server ended: ${stderr}`);
    return Promise.resolve(said ?? '');
  };
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    signal: (name) => void child.kill(name),
    exited,
    hasExited: () => gone,
    url: () => pollUntil('the server listens', listeningAt, (url) => url !== ''),
  };
}
