import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { withKeptCode } from '../testRun/codeFiles';
import type { CommandResult } from './operatorCommand';
import { REPOSITORY, WORKING_FOLDER } from './serverProcess';

/**
 * Runs a program of `server/cli` in a process of its own, with only these settings. It takes thirty
 * times as long as {@link operate}, so use it only for behaviour of a process, such as its end.
 */
export async function runAsProcess(
  program: 'admin' | 'verifyLog',
  env: NodeJS.ProcessEnv,
  words: string[],
  stdin = '',
): Promise<CommandResult> {
  const script = join(REPOSITORY, 'dist', 'server', 'cli', `${program}.js`);
  const child = spawn(process.execPath, [...withKeptCode(), script, ...words], {
    cwd: WORKING_FOLDER,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  // A command that reads no stdin may have ended before it is written.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** Runs an operator's command as `npm run admin` does. */
export const operateAsProcess = (env: NodeJS.ProcessEnv, words: string[], stdin?: string) =>
  runAsProcess('admin', env, words, stdin);
