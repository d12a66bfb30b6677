import { ZodError } from 'zod';
import { MigrationError } from '../bootstrap/migrate';
import { guardOutput } from '../closedOutput';
import { loadConfig, readEnvironmentFile, readVersion } from '../config';
import { explainConnectionFault } from '../db/connectionFaults';
import { databaseFault, isPermissionDenied, violatedConstraint } from '../db/pgErrors';
import { describeCommand, describeCommands } from './commandHelp';
import { readCommandLine } from './commandLine';
import { COMMANDS } from './commands';

const TAKEN: Readonly<Record<string, string>> = {
  tenants_slug_unique: 'There is a tenant with this slug already.',
  users_email_unique: 'Somebody else has this address already.',
  tenant_staff_tenant_user_unique: 'This person is staff of the tenant already.',
};

/** Undefined if the settings are wrong: then no database was asked. */
function databaseUrl(): string | undefined {
  try {
    return loadConfig().databaseUrl;
  } catch {
    return undefined;
  }
}

/** One sentence for an operator: never a stack, and never a query with its values. */
function explain(error: unknown): string {
  if (error instanceof ZodError) return error.issues.map(({ message }) => message).join('; ');
  // It says more than the fault that caused it.
  if (error instanceof MigrationError) return error.message;
  const sentence = explainConnectionFault(error, databaseUrl());
  if (sentence !== undefined) return sentence;
  if (isPermissionDenied(error)) {
    return 'The role in DATABASE_URL lacks a privilege that this command needs: connect as the role that owns the tables, or have it run `db grant --role NAME` first.';
  }
  const fault = databaseFault(error);
  if (fault === 'unavailable') return 'The database does not answer.';
  if (fault === 'missing_table') return 'The database lacks a table: run `db migrate` first.';
  if (fault === 'unique_violation') {
    return TAKEN[violatedConstraint(error) ?? ''] ?? 'This exists already.';
  }
  return error instanceof Error ? error.message : String(error);
}

const say = (text: string) => process.stdout.write(`${text}\n`);

function help(names: readonly string[]): void {
  const pages = names.flatMap((name) => {
    const command = COMMANDS[name];
    return command ? [describeCommand(name, command)] : [];
  });
  say(pages.length > 0 ? pages.join('\n\n') : describeCommands(COMMANDS));
}

async function main(args: string[]): Promise<number> {
  if (args.length === 0) {
    process.stderr.write(`${describeCommands(COMMANDS)}\n`);
    return 1;
  }
  const request = readCommandLine(COMMANDS, args);
  if (request.kind === 'help') help(request.names);
  if (request.kind === 'version') say(readVersion());
  if (request.kind !== 'run') return 0;
  readEnvironmentFile();
  const result = await request.command.run(request.options);
  say(typeof result === 'string' ? result : JSON.stringify(result));
  return typeof result === 'object' && 'ok' in result && result.ok === false ? 1 : 0;
}

guardOutput(1);
main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${explain(error)}\n`);
    process.exitCode = 1;
  },
);
