import { parseArgs } from 'node:util';
import { nearestNames } from '../../tlog/nearestNames';
import { optionsOf } from './command';
import type { Command, CommandTable } from './command';
import { CommandError } from './commandError';
import { RUN } from './commandHelp';
import { COMMAND_OPTIONS } from './commandOptions';
import type { Options } from './options';

/** The request that a command line stands for. */
export type Request =
  | { kind: 'help'; names: string[] }
  | { kind: 'version' }
  | { kind: 'run'; command: Command; options: Options };

const TYPES = {
  ...Object.fromEntries(
    Object.entries(COMMAND_OPTIONS).map(([name, { takes }]) => [
      name,
      { type: takes === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  ),
  help: { type: 'boolean' as const, short: 'h' },
  version: { type: 'boolean' as const },
};

const parse = (args: string[]) =>
  parseArgs({ args, options: TYPES, allowPositionals: true, strict: false, tokens: true });

type OptionToken = Extract<ReturnType<typeof parse>['tokens'][number], { kind: 'option' }>;

const quoted = (names: readonly string[]): string =>
  names.map((name) => `\`${name}\``).join(' or ');

/**
 * Repeats the typed words only if they look like a command. Any other word could be a password in
 * the wrong place.
 */
const repeat = (words: readonly string[]): string =>
  words.every((word) => /^[a-z-]{1,20}$/.test(word)) ? ` \`${words.join(' ')}\`` : '';

function unknownCommand(commands: CommandTable, words: readonly string[]): CommandError {
  const typed = words.slice(0, 2);
  const names = Object.keys(commands);
  const inGroup = names.filter((name) => name.startsWith(`${typed[0]} `));
  const near = nearestNames(typed.join(' '), names, 3).slice(0, 3);
  const meant = near.length > 0 ? near : inGroup;
  const hint = meant.length > 0 ? ` Did you mean ${quoted(meant)}?` : '';
  return new CommandError(`There is no command${repeat(typed)}.${hint} See \`${RUN} help\`.`);
}

/** @throws CommandError naming the wrong option, but never its value, which could be a password */
function checkOption(name: string, allowed: readonly string[], token: OptionToken): void {
  const takes = COMMAND_OPTIONS[token.name]?.takes;
  if (!allowed.includes(token.name)) {
    const near = nearestNames(token.name, allowed, 2).map((option) => `--${option}`);
    const hint = near.length > 0 ? ` Did you mean ${quoted(near)}?` : '';
    const said = /^[a-z-]{1,30}$/.test(token.name) ? ` --${token.name}` : ' such option';
    throw new CommandError(
      `\`${name}\` has no${said === ' such option' ? said : ` option${said}`}.${hint} See \`${RUN} help ${name}\`.`,
    );
  }
  if (takes === undefined) {
    if (token.value === undefined) return;
    throw new CommandError(`--${token.name} takes no value.`);
  }
  const swallowed = !token.inlineValue && token.value?.startsWith('-') === true;
  if (token.value === undefined || swallowed) {
    throw new CommandError(`--${token.name} needs a value: --${token.name} ${takes}.`);
  }
}

function readOptions(name: string, command: Command, tokens: readonly OptionToken[]): Options {
  const allowed = optionsOf(command);
  const options = new Map<string, string | boolean>();
  for (const token of tokens) {
    checkOption(name, allowed, token);
    if (options.has(token.name))
      throw new CommandError(`--${token.name} was given more than once.`);
    options.set(token.name, token.value ?? true);
  }
  return Object.fromEntries(options);
}

/**
 * Returns the commands to show help for: one, those of a group such as `staff`, or none, which
 * means all.
 */
function helpNames(commands: CommandTable, words: readonly string[]): string[] {
  const typed = words.join(' ');
  const names = Object.keys(commands);
  const named = names.filter((name) => name === typed || name.startsWith(`${typed} `));
  if (typed !== '' && named.length === 0) throw unknownCommand(commands, words);
  return typed === '' ? [] : named;
}

/**
 * Reads a command line.
 * @throws CommandError with one plain sentence that suggests similar names; it repeats no value of
 *   an option
 */
export function readCommandLine(commands: CommandTable, args: string[]): Request {
  const { tokens } = parse(args);
  const words = tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []));
  const given = tokens.filter((token): token is OptionToken => token.kind === 'option');
  const asks = (name: string) => given.some((token) => token.name === name);
  if (words[0] === 'help') return { kind: 'help', names: helpNames(commands, words.slice(1)) };
  const name = words.slice(0, 2).join(' ');
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (asks('help') || asks('h')) {
    return { kind: 'help', names: helpNames(commands, command ? words.slice(0, 2) : words) };
  }
  if (words.length === 0 && asks('version')) return { kind: 'version' };
  if (!command) throw unknownCommand(commands, words);
  const options = readOptions(name, command, given);
  if (words.length > 2) {
    throw new CommandError(
      `\`${name}\` takes options only, no further words. See \`${RUN} help ${name}\`.`,
    );
  }
  return { kind: 'run', command, options };
}
