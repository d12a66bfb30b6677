import { ZodError } from 'zod';
import { MigrationError } from '../schema/migrations/migrate';
import { loadConfig, readEnvironmentFile, readVersion } from '../config';
import { AppError } from '../errors';
import { explainConnectionFault } from '../db/connectionFaults';
import { databaseFault, isPermissionDenied, violatedConstraint } from '../db/pgErrors';
import { describeCommand, describeCommands } from './commandHelp';
import { readCommandLine } from './commandLine';
import { COMMANDS } from './commands';
import type { Invocation } from './invocation';

const TAKEN: Readonly<Record<string, string>> = {
  service_keys_name_unique: 'Another service key has this name.',
  tenants_slug_unique: 'A tenant with this slug exists already.',
  users_email_unique: 'Another person has this address already.',
  tenant_staff_tenant_user_unique: 'This person is already staff of the tenant.',
};

/** Returns undefined if the settings are wrong. No database was used then. */
function databaseUrl({ env }: Invocation): string | undefined {
  try {
    return loadConfig(env).databaseUrl;
  } catch {
    return undefined;
  }
}

/** Returns the title of an error, and the next step if it has one. */
function explainRefusal({ message, detail }: AppError): string {
  return detail === undefined || detail === message ? message : `${message}. ${detail}`;
}

/** Returns one sentence for an operator, without a stack and without a query and its values. */
function explain(error: unknown, invocation: Invocation): string {
  if (error instanceof ZodError) return error.issues.map(({ message }) => message).join('; ');
  if (error instanceof AppError) return explainRefusal(error);
  // This message is more precise than its cause.
  if (error instanceof MigrationError) return error.message;
  const sentence = explainConnectionFault(error, databaseUrl(invocation));
  if (sentence !== undefined) return sentence;
  if (isPermissionDenied(error)) {
    return 'The role in DATABASE_URL lacks a privilege that this command needs: connect as the role that owns the tables, or let that role run `db grant --role NAME` first.';
  }
  const fault = databaseFault(error);
  if (fault === 'unavailable') return 'The database does not answer.';
  if (fault === 'missing_table') return 'The database lacks a table: run `db migrate` first.';
  if (fault === 'unique_violation') {
    return TAKEN[violatedConstraint(error) ?? ''] ?? 'This exists already.';
  }
  return error instanceof Error ? error.message : String(error);
}

function help(names: readonly string[]): string {
  const pages = names.flatMap((name) => {
    const command = COMMANDS[name];
    return command ? [describeCommand(name, command)] : [];
  });
  return pages.length > 0 ? pages.join('\n\n') : describeCommands(COMMANDS);
}

async function run(args: string[], invocation: Invocation): Promise<number> {
  const say = (text: string) => invocation.stdout.write(`${text}\n`);
  if (args.length === 0) {
    invocation.stderr.write(`${describeCommands(COMMANDS)}\n`);
    return 1;
  }
  const request = readCommandLine(COMMANDS, args);
  if (request.kind === 'help') say(help(request.names));
  if (request.kind === 'version') say(readVersion());
  if (request.kind !== 'run') return 0;
  readEnvironmentFile(invocation);
  const result = await request.command.run(request.options, invocation);
  say(typeof result === 'string' ? result : JSON.stringify(result));
  return typeof result === 'object' && 'ok' in result && result.ok === false ? 1 : 0;
}

/**
 * Runs one command of an operator, and closes everything that it opened.
 * @param args the words after the program's name
 * @returns the exit code; a command that fails has written one sentence to stderr
 */
export async function runAdmin(args: string[], invocation: Invocation): Promise<number> {
  try {
    return await run(args, invocation);
  } catch (error) {
    invocation.stderr.write(`${explain(error, invocation)}\n`);
    return 1;
  }
}
