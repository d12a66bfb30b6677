import { Readable, Writable } from 'node:stream';
import type { Invocation } from '@/server/cli/invocation';
import { runAdmin } from '@/server/cli/runAdmin';
import { WORKING_FOLDER } from './serverProcess';

export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

type Program = (args: string[], invocation: Invocation) => Promise<number>;

/** Runs a program of `server/cli` in this process, with only these settings. */
export async function runInProcess(
  program: Program,
  env: NodeJS.ProcessEnv,
  words: string[],
  stdin = '',
): Promise<CommandResult> {
  const said = { stdout: '', stderr: '' };
  const collect = (name: keyof typeof said) =>
    new Writable({
      decodeStrings: false,
      write(chunk: string, _encoding, done) {
        said[name] += chunk;
        done();
      },
    });
  const code = await program(words, {
    // A command adds the values of `.env`. The copy keeps the caller's settings unchanged.
    env: { ...env },
    cwd: () => WORKING_FOLDER,
    stdin: Readable.from([Buffer.from(stdin)]),
    stdout: collect('stdout'),
    stderr: collect('stderr'),
  });
  return { code, ...said };
}

/**
 * Runs an operator's command in this process. Use {@link operateAsProcess} for behaviour that only
 * a process has.
 */
export const operate = (env: NodeJS.ProcessEnv, words: string[], stdin?: string) =>
  runInProcess(runAdmin, env, words, stdin);
