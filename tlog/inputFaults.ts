import { nearestNames } from './nearestNames';

type Options = Readonly<Record<string, { readonly type: 'string' | 'boolean' }>>;

/**
 * Explains why a command line cannot be read, instead of the parser's own message. It repeats no value.
 * @param error from `parseArgs`
 * @param options the options that exist
 * @returns one sentence
 */
export function explainOptions(error: unknown, options: Options): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const [, dashes = '', name = ''] = /'(?:-[a-z], )?(--?)([^' =]+)/.exec(message) ?? [];
  const option = `${dashes}${name}`;
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const said = /^--?[a-z-]{1,30}$/.test(option) ? `option ${option}` : 'such option';
    const [near] = nearestNames(name, Object.keys(options), 2);
    return `There is no ${said}.${near === undefined ? '' : ` Did you mean --${near}?`}`;
  }
  if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') return 'The command takes options only.';
  return options[name]?.type === 'boolean'
    ? `${option} takes no value.`
    : `${option} needs a value.`;
}

/** The meaning of the system's error codes for a file. */
const FILE_FAULTS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'you may not read it',
  EPERM: 'you may not read it',
  ELOOP: 'its symbolic links form a loop',
  ENAMETOOLONG: 'its name is too long',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
  EIO: 'the disk cannot read it',
};

/**
 * Explains why a file cannot be read, instead of the system's own message.
 * @returns the end of a sentence; for an error without a system code, its own message
 */
export function explainFileFault(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) return message;
  return FILE_FAULTS[code] ?? `the system says ${code}`;
}
