import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

/** A `.env` file that cannot be used; the message is a sentence without any value. */
export class EnvironmentFileError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'EnvironmentFileError';
  }
}

function read(path: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    const why =
      code === 'ERR_ENCODING_INVALID_ENCODED_DATA'
        ? 'it is not UTF-8 text'
        : (code ?? 'no reason given');
    throw new EnvironmentFileError(`${path} cannot be read: ${why}.`);
  }
}

/**
 * Finds the first invalid line. Node's parser would silently read it as a part of the next name.
 */
function findWrongLine(content: string): number | undefined {
  // A quoted value, such as a PEM key, may contain line breaks. They are kept, so that line numbers
  // stay right.
  const breaks = (value: string) => value.replace(/[^\n]/g, '');
  const bare = content.replace(/(?<==[ \t]*)("[^"]*"|'[^']*'|`[^`]*`)/g, breaks);
  const lines = bare.split(/\r?\n/);
  const fits = (line: string) =>
    /^\s*(#.*)?$|^\s*(export\s+)?[A-Za-z_][A-Za-z0-9_.-]*\s*=/.test(line);
  const index = lines.findIndex((line) => !fits(line));
  return index === -1 ? undefined : index + 1;
}

/**
 * Adds the settings of a `.env` file to an environment; settings that are already in the
 * environment stay.
 * @param path a file that need not exist
 * @throws EnvironmentFileError if it cannot be read, or a line is not `NAME=value`
 */
export function addEnvironmentFile(env: NodeJS.ProcessEnv, path: string): void {
  const content = read(path);
  if (content === undefined) return;
  const wrong = findWrongLine(content);
  if (wrong !== undefined) {
    throw new EnvironmentFileError(
      `${path} cannot be used: line ${wrong} is neither NAME=value nor a # comment.`,
    );
  }
  for (const [name, value] of Object.entries(parseEnv(content))) env[name] ??= value;
}
