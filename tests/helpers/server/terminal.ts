import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A shell at a terminal, as people use it. */
export interface Terminal {
  /**
   * Pastes text and presses Enter.
   * @returns the output, including the echo of the text, and the last exit code
   */
  paste(text: string): Promise<{ output: string; code: number }>;
  close(): Promise<void>;
}

/** `script` gives a program a terminal. Its options differ between util-linux and BSD. */
const commandFor = (shell: string): [string, string[]] =>
  process.platform === 'darwin'
    ? ['script', ['-q', '/dev/null', ...shell.split(' ')]]
    : ['script', ['-qec', shell, '/dev/null']];

/** Removes the characters that a terminal adds: colours, the marks of a paste, carriage returns. */
const plain = (text: string) =>
  text.replace(/\u001b\[[0-9;?]*[A-Za-z]|\u001b[=>]|\u0007/g, '').replaceAll('\r', '');

/**
 * Starts an interactive shell at a terminal of its own, without the start-up files of this account.
 * @param shell such as `zsh -f -i`
 */
export function openTerminal(shell: string, cwd: string, env: NodeJS.ProcessEnv): Terminal {
  const [program, words] = commandFor(shell);
  const child = spawn(program, words, { cwd, env, stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  let said = '';
  let gone = false;
  let wake: () => void = () => undefined;
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    wake();
  });
  void ended.then(() => {
    gone = true;
    wake();
  });
  const heard = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const found = pattern.exec(plain(said));
      if (found) return found;
      if (gone) throw new Error(`the shell ended: ${plain(said)}`);
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  let pastes = 0;
  const paste = async (text: string) => {
    pastes += 1;
    const mark = `paste-${pastes}`;
    // The echo of these lines splits the marks in two. Only their output contains them whole.
    const begin = `printf '\\n<%s-%s>\\n' begin ${mark}\n`;
    const end = `printf '\\n<%s-%s %s>\\n' end ${mark} "$?"\n`;
    child.stdin.write(`${begin}${text.replace(/\n$/, '')}\n${end}`);
    const [, output = '', code] = await heard(
      new RegExp(`<begin-${mark}>\\n([^]*?)\\n<end-${mark} (\\d+)>`),
    );
    return { output, code: Number(code) };
  };
  const close = async () => {
    child.stdin.end('exit\n');
    await ended;
  };
  return { paste, close };
}
