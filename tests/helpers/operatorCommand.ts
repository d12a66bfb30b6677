import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { REPOSITORY, WORKING_FOLDER } from './serverProcess';

export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs an operator's command as `npm run admin` does, with these settings alone. */
export async function operate(
  env: NodeJS.ProcessEnv,
  words: string[],
  stdin = '',
): Promise<CommandResult> {
  const script = join(REPOSITORY, 'dist', 'server', 'cli', 'admin.js');
  const child = spawn(process.execPath, [script, ...words], {
    cwd: WORKING_FOLDER,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  // A command that reads no stdin may be gone before it is written.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}
