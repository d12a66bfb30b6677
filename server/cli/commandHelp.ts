import { optionsOf, usageOf } from './command';
import type { Command, CommandTable } from './command';
import { COMMAND_OPTIONS } from './commandOptions';

export const RUN = 'npm run --silent admin --';

const column = (rows: readonly (readonly [string, string])[]): string[] => {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`.trimEnd());
};

/** Returns the list of all commands, one a line. */
export function describeCommands(commands: CommandTable): string {
  return [
    `Usage: ${RUN} COMMAND`,
    '',
    ...column(Object.entries(commands).map(([name, { summary }]) => [name, summary])),
    '',
    `${RUN} help COMMAND   explains one command; COMMAND --help does the same.`,
    `${RUN} --version      prints the version.`,
    '',
    'A command prints its result as one line of JSON and exits with 0. If it fails, or if a check finds a difference, it exits',
    'with 1; the reason is on stderr. The commands need the same settings as the server, from the environment or from .env.',
    '.env.example lists them.',
  ].join('\n');
}

/** Returns the help of one command. */
export function describeCommand(name: string, command: Command): string {
  const { summary, example, piped = '' } = command;
  const options = optionsOf(command).map((option) => {
    const { takes, says } = COMMAND_OPTIONS[option] ?? { says: '' };
    const sentence = command.says?.[option] ?? says;
    return [takes === undefined ? `--${option}` : `--${option} ${takes}`, sentence] as const;
  });
  return [
    `Usage: ${RUN} ${name} ${usageOf(command)}`.trimEnd(),
    '',
    summary,
    ...(options.length > 0 ? ['', 'Options:', ...column(options)] : []),
    '',
    'Example:',
    `  ${piped}${RUN} ${name} ${example}`.trimEnd(),
  ].join('\n');
}
