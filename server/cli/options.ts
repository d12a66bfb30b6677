import { instant } from '../http/routeTable';
import { ticketField } from '../http/ticketField';
import { CommandError } from './commandError';
import type { Invocation } from './invocation';

export type Options = Readonly<Record<string, string | boolean | undefined>>;

/** Returns the text of an option, or undefined if it is missing or empty. */
export function optional(options: Options, name: string): string | undefined {
  const value = options[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * Returns the operator's own reason.
 * @throws CommandError if it is not 1 to 128 characters in one line
 */
export function ticketOf(options: Options): string | undefined {
  const given = options['ticket'];
  if (given === undefined) return undefined;
  const ticket = ticketField.safeParse(String(given));
  if (ticket.success) return ticket.data;
  throw new CommandError('--ticket must be 1 to 128 characters in one line.');
}

/** Reads a list such as `A,B`. It is empty if the option is missing or empty. */
export function listOf(options: Options, name: string): string[] {
  const value = options[name];
  const list = typeof value === 'string' ? value : '';
  return list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/**
 * Reads an option that takes one of a few words.
 * @returns undefined if the option is missing
 * @throws CommandError with the words
 */
export function oneOf<Word extends string>(
  options: Options,
  name: string,
  words: readonly Word[],
): Word | undefined {
  const given = optional(options, name);
  const word = words.find((one) => one === given);
  if (given === undefined || word !== undefined) return word;
  throw new CommandError(`--${name} must be one of ${words.join(', ')}.`);
}

/** @throws CommandError naming the missing option */
export function required(options: Options, name: string): string {
  const value = optional(options, name);
  if (value === undefined) throw new CommandError(`--${name} is missing.`);
  return value;
}

/**
 * Reads an option that is an instant.
 * @returns undefined if the option is missing
 * @throws CommandError if it is no instant
 */
export function instantOf(options: Options, name: string): Date | undefined {
  const given = optional(options, name);
  if (given === undefined) return undefined;
  const parsed = instant.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new CommandError(`--${name} must be an instant such as 2026-01-31T08:00:00Z.`);
}

/**
 * Reads a password from stdin, without the line break that a shell's echo adds. On a terminal it
 * prompts for the password.
 */
export async function readPassword({ stdin, stderr }: Invocation): Promise<string> {
  if (stdin.isTTY) stderr.write('Password, then Enter and Ctrl-D: ');
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

/**
 * Refuses a new password that the policy does not allow.
 * @throws CommandError with every reason
 */
export function refusePassword(objections: readonly { message: string }[]): void {
  if (objections.length === 0) return;
  throw new CommandError(objections.map(({ message }) => message).join(' '));
}
