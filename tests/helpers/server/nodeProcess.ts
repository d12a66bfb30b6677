import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { builtScript } from './builtScript';
import { closeLater } from './closing';
import { watched } from '../testRun/answerFiles';

const repository = path.resolve(__dirname, '../../..');

interface NodeProcess {
  /** Its base URL. */
  url: string;
  /** Kills it at once, as a crash of the machine would. */
  kill(): Promise<void>;
  /** Stops it and lets it go on. */
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
}

/**
 * Starts the application as a process of its own on this file's database. It is ended after the
 * file.
 * @param env settings that replace those of this process
 */
export async function spawnNode(env: NodeJS.ProcessEnv): Promise<NodeProcess> {
  const script = builtScript(path.join(__dirname, 'fixtures', 'serveNode.ts'));
  const watch = watched();
  const child = spawn(process.execPath, [...watch.args, script], {
    cwd: repository,
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...watch.env, ...env },
  });
  const exited = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  closeLater(kill);
  const line = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  if (line.done === true) throw new Error('the node ended without any output');
  const signal = (name: 'SIGSTOP' | 'SIGCONT') => void child.kill(name);
  return { url: `http://127.0.0.1:${line.value}`, kill, signal };
}

/** Does the same with this process's settings. @returns its base URL */
export const startNodeProcess = async (): Promise<string> => (await spawnNode({})).url;
