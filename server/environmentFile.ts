import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

/** A `.env` that cannot be used; the message is a plain sentence without a value. */
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

/** Node's parser takes such a line for a part of the next name, and says nothing. */
function findWrongLine(content: string): number | undefined {
  // A quoted value may hold line breaks, as a PEM key does: they stay, so that lines can be counted.
  const breaks = (value: string) => value.replace(/[^\n]/g, '');
  const bare = content.replace(/(?<==[ \t]*)("[^"]*"|'[^']*'|`[^`]*`)/g, breaks);
  const lines = bare.split(/\r?\n/);
  const fits = (line: string) =>
    /^\s*(#.*)?$|^\s*(export\s+)?[A-Za-z_][A-Za-z0-9_.-]*\s*=/.test(line);
  const index = lines.findIndex((line) => !fits(line));
  return index === -1 ? undefined : index + 1;
}

/**
 * Adds the settings of a `.env` file to an environment; one that is in the environment already stays.
 * @param path a file that need not exist
 * @throws EnvironmentFileError if it cannot be read, or a line is no `NAME=value`
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
