import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { closeLater } from './closing';

const repository = path.resolve(__dirname, '../..');

/**
 * Starts the application as a process of its own on this file's database; it is ended after the file.
 * @returns its base URL
 */
export async function startNodeProcess(): Promise<string> {
  const script = path.join(__dirname, 'fixtures', 'serveNode.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script], {
    cwd: repository,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env },
  });
  const exited = once(child, 'exit');
  closeLater(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const line = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  if (line.done === true) throw new Error('the node ended without a word');
  return `http://127.0.0.1:${line.value}`;
}
