import type { Invocation } from './invocation';
import type { Options } from './options';

/** One command of the operator. */
export interface Command {
  /** One sentence that says what the command does. */
  readonly summary: string;
  /** Its options; each is a row of COMMAND_OPTIONS. */
  readonly usage: string;
  /** The text after the command's name in an example. */
  readonly example: string;
  /** The text before the command in an example, such as a pipe. */
  readonly piped?: string;
  /** Sentences for options that mean something else in this command. */
  readonly says?: Readonly<Record<string, string>>;
  /** The command writes and is recorded, so it also takes `--ticket`. */
  readonly writes?: true;
  /** Runs the command. An object is printed as JSON, a text as it is. */
  readonly run: (options: Options, invocation: Invocation) => Promise<object | string>;
}

export type CommandTable = Readonly<Record<string, Command>>;

/** Returns the options of a command as its usage line shows them. */
export const usageOf = ({ usage, writes }: Command): string =>
  writes ? `${usage} [--ticket T]`.trimStart() : usage;

/** @returns the options that a command takes, in the order of its usage line */
export const optionsOf = (command: Command): string[] => [
  ...new Set([...usageOf(command).matchAll(/--([a-z-]+)/g)].map(([, name = '']) => name)),
];
