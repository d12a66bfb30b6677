import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

/** The result of one phase of measured work. */
export interface Phase {
  /** Units of work. */
  done: number;
  seconds: number;
  /**
   * Median and 99th percentile of one unit, in milliseconds; 0 if the phase is one long piece of
   * work.
   */
  p50: number;
  p99: number;
  /** Processor time of the child itself, in milliseconds. */
  cpuMs: number;
}

/** The work of a child process: it prepares itself once and then works in phases. */
export interface Job {
  /** A value that the parent needs, such as a port. */
  ready?: unknown;
  run?: (ms: number) => Promise<Omit<Phase, 'cpuMs'>>;
}

/** Starts the work of a role, with the setup that the parent sent. */
export type Role = (setup: never) => Promise<Job> | Job;

export interface Child {
  ready: unknown;
  run(ms: number): Promise<Phase>;
  /** Returns the processor time that the child has used so far, in milliseconds. */
  cpuMs(): Promise<number>;
  stop(): Promise<void>;
}

type Answer = { ok: true; value: unknown } | { ok: false; error: string };

const children = new Set<ChildProcess>();

/** Kills every child that still runs. */
export function killChildren(): void {
  for (const child of children) child.kill('SIGKILL');
}

/** Makes {@link killChildren} also kill this child, however it was started. */
export function track(child: ChildProcess): void {
  children.add(child);
  child.once('exit', () => children.delete(child));
}

async function ask(child: ChildProcess, message: object): Promise<unknown> {
  const answer = await new Promise<Answer>((resolve, reject) => {
    const onExit = (code: number | null) => reject(new Error(`a child ended with ${code}`));
    child.once('exit', onExit);
    child.once('message', (value) => {
      child.off('exit', onExit);
      resolve(value as Answer);
    });
    child.send(message);
  });
  if (!answer.ok) throw new Error(answer.error);
  return answer.value;
}

/** Starts this same program in another process, in another role. */
export async function startChild(program: string, role: string, setup: object): Promise<Child> {
  const env = { ...process.env, NODE_ENV: 'production' };
  const child = fork(program, ['--role', role], { env });
  track(child);
  const ready = await ask(child, { setup });
  return {
    ready,
    run: async (ms) => (await ask(child, { run: ms })) as Phase,
    cpuMs: async () => (await ask(child, {})) as number,
    stop: () =>
      new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve();
        child.once('exit', () => resolve());
        child.disconnect();
      }),
  };
}

const ownCpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Runs in the child: it answers the parent until the parent disconnects. */
export function serveParent(role: Role): void {
  let job: Job | undefined;
  const handle = async (message: { setup?: unknown; run?: number }): Promise<unknown> => {
    if (!job) {
      job = await role(message.setup as never);
      return job.ready;
    }
    if (message.run === undefined) return ownCpuMs();
    if (!job.run) throw new Error('this role has no work to run');
    const before = ownCpuMs();
    const phase = await job.run(message.run);
    return { ...phase, cpuMs: ownCpuMs() - before };
  };
  process.on('disconnect', () => process.exit(0));
  // Ctrl-C signals the whole process group. The parent decides what to do, and disconnects.
  process.on('SIGINT', () => undefined);
  process.on('message', (message: { setup?: unknown; run?: number }) => {
    handle(message).then(
      (value) => process.send?.({ ok: true, value } satisfies Answer),
      (error: unknown) =>
        process.send?.({
          ok: false,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        } satisfies Answer),
    );
  });
}
