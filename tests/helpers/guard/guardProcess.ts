import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import type { Decision, GuardOptions } from '@/guard';
import { closeLater } from '../server/closing';
import { REPOSITORY } from '../server/serverProcess';

/** Decides about each token that it reads, and prints the decision. */
const SCRIPT = `
import { createInterface } from 'node:readline';
import { createGuard } from ${JSON.stringify(join(REPOSITORY, 'dist', 'guard', 'guard.mjs'))};
const guard = createGuard(JSON.parse(process.env.GUARD));
for await (const token of createInterface({ input: process.stdin })) {
  const decision = await guard.decide('Bearer ' + token);
  console.log(JSON.stringify({ decision, stats: guard.stats() }));
}
await guard.close();
`;

interface Said {
  decision: Decision;
  stats: { stalenessMs: number | null };
}

/** A guard as a team runs it: the built module, in a process of its own. */
export function startGuardProcess(options: GuardOptions) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], GUARD: JSON.stringify(options) },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  closeLater(async () => {
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  /** Sends a token without waiting for the decision. */
  const send = (token: string) => void child.stdin.write(`${token}\n`);
  async function read(): Promise<Said> {
    const { value, done } = await lines.next();
    if (done === true) throw new Error('the guard ended');
    return JSON.parse(value) as Said;
  }
  return {
    send,
    read,
    signal: (name: 'SIGSTOP' | 'SIGCONT') => void child.kill(name),
    /** Returns `allowed` with the source, or the status of the refusal. */
    async decide(token: string) {
      send(token);
      const { decision } = await read();
      return decision.allowed ? decision.source : decision.refusal.status;
    },
    async stalenessMs(token: string) {
      send(token);
      return (await read()).stats.stalenessMs;
    },
  };
}
