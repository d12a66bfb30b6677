import type { Invocation } from '../invocation';
import type { Options } from './options';

/** One thing that an operator can do. */
export interface Command {
  /** One sentence: what it does. */
  readonly summary: string;
  /** The options it takes; each is a row of COMMAND_OPTIONS. */
  readonly usage: string;
  /** What follows the name in an example. */
  readonly example: string;
  /** What stands before it there, such as a pipe. */
  readonly piped?: string;
  /** Sentences on options that mean something else here than elsewhere. */
  readonly says?: Readonly<Record<string, string>>;
  /** It writes, and is recorded: it takes `--ticket` beside its own options. */
  readonly writes?: true;
  /** What it returns is printed as JSON, or as it is if it is a text. */
  readonly run: (options: Options, invocation: Invocation) => Promise<object | string>;
}

export type CommandTable = Readonly<Record<string, Command>>;

/** The options of a command as its usage line has them. */
export const usageOf = ({ usage, writes }: Command): string =>
  writes ? `${usage} [--ticket T]`.trimStart() : usage;

/** @returns the options that a command takes, in the order of its usage line */
export const optionsOf = (command: Command): string[] => [
  ...new Set([...usageOf(command).matchAll(/--([a-z-]+)/g)].map(([, name = '']) => name)),
];
