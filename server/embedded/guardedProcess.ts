import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { EmbeddedPostgresError } from './embeddedError';
import { errorCode } from './ownedFiles';

/** The account that a program runs under; null means the account of this process. */
export type Account = { uid: number; gid: number } | null;

export interface ProgramToGuard {
  program: string;
  args: string[];
  /** Null means the account of this process. */
  account: Account;
  env: Record<string, string>;
  /** The file descriptor that receives the program's stdout and stderr. */
  output: number;
}

/** A program that is stopped with SIGINT and then SIGQUIT if this process dies in any way. */
export interface GuardedProcess {
  pid: number;
  /** Resolves with the exit code, or null after death by a signal. */
  exited: Promise<number | null>;
  hasExited(): boolean;
  /**
   * Sends SIGINT, after `patience` ms SIGQUIT, and then SIGKILL. Resolves when the program has
   * ended.
   */
  stop(patience: number): Promise<void>;
}

// This shell waits for a line before it becomes the program, under the same pid. Otherwise, if this
// process were killed after starting the program and before starting its watchdog, the program
// would go on running.
const gate = 'IFS= read -r word && exec "$@" </dev/null';

// The watchdog's stdin ends when this process ends, even by SIGKILL. It signals the pid that it was
// given, and not the program that runs in the cluster by then, which may be the server of the next
// start.
const watchdog = `
trap '' HUP INT TERM
IFS= read -r word
kill -INT "$1" 2>/dev/null || exit 0
n=0
while [ $n -lt 200 ] && kill -0 "$1" 2>/dev/null; do sleep 0.1; n=$((n + 1)); done
kill -QUIT "$1" 2>/dev/null`;

const immediatePatience = 5_000;

/**
 * Starts a program with a watchdog, in its own process group, so that Ctrl-C does not reach it.
 * @param what the program, its account and its output
 * @returns its handle, which does not keep this process from exiting
 * @throws EmbeddedPostgresError if the program cannot be started
 */
export async function startGuarded(what: ProgramToGuard): Promise<GuardedProcess> {
  const child = await spawnShell(['-c', gate, 'sh', what.program, ...what.args], what, what.output);
  const pid = child.pid as number;
  let gone = false;
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      gone = true;
      resolve(code);
    });
  });
  const guard = await spawnShell(
    ['-c', watchdog, 'gatehouse-watchdog', String(pid)],
    what,
    'ignore',
  ).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw error;
  });
  guard.stdin?.on('error', () => undefined);
  guard.unref();
  (guard.stdin as unknown as { unref(): void }).unref();
  // At once, before the system can reuse the pid.
  void exited.then(() => guard.kill('SIGKILL'));
  child.stdin?.on('error', () => undefined);
  child.stdin?.end('start\n');
  child.unref();
  return {
    pid,
    exited,
    hasExited: () => gone,
    stop: (patience) => stopProcess(child, exited, patience),
  };
}

async function spawnShell(
  args: string[],
  { account, env }: ProgramToGuard,
  output: number | 'ignore',
): Promise<ChildProcess> {
  try {
    // Some failures are thrown, others are an event.
    const child = spawn('/bin/sh', args, {
      ...(account ?? {}),
      cwd: '/',
      detached: true,
      env,
      stdio: ['pipe', output, output],
    });
    await once(child, 'spawn');
    // A later error means that a signal could not be sent. Callers that wait for the exit have a
    // deadline.
    child.on('error', () => undefined);
    return child;
  } catch (error) {
    const because = errorCode(error) ?? String(error);
    throw new EmbeddedPostgresError(
      account === null
        ? `The embedded Postgres cannot be started here (${because}): set DATABASE_URL to a Postgres server.`
        : `Postgres refuses to run as root and root may not start it as uid ${account.uid} here (${because}): start Gatehouse as an ordinary user or set DATABASE_URL.`,
      { cause: error },
    );
  }
}

async function stopProcess(
  child: ChildProcess,
  exited: Promise<number | null>,
  patience: number,
): Promise<void> {
  child.ref();
  for (const [signal, wait] of [
    ['SIGINT', patience],
    ['SIGQUIT', immediatePatience],
  ] as const) {
    child.kill(signal);
    if (await settlesWithin(exited, wait)) return;
  }
  child.kill('SIGKILL');
  await exited;
}

async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const done = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return done;
}
