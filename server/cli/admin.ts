import { parseArgs } from 'node:util';
import { ZodError } from 'zod';
import { MigrationError } from '../bootstrap/migrate';
import { databaseFault, violatedConstraint } from '../db/pgErrors';
import { CommandError } from './commandError';
import { COMMANDS } from './commands';

const OPTIONS = {
  slug: { type: 'string' },
  name: { type: 'string' },
  tenant: { type: 'string' },
  email: { type: 'string' },
  staff: { type: 'string' },
  permissions: { type: 'string' },
  set: { type: 'string' },
  add: { type: 'string' },
  remove: { type: 'string' },
  secret: { type: 'string' },
  setting: { type: 'string' },
  role: { type: 'string' },
  log: { type: 'string' },
  leaf: { type: 'string' },
  hash: { type: 'string' },
  to: { type: 'string' },
  'password-stdin': { type: 'boolean' },
  totp: { type: 'boolean' },
  compromised: { type: 'boolean' },
  locked: { type: 'boolean' },
  'expire-password': { type: 'boolean' },
  since: { type: 'string' },
} as const;

const usage = (): string =>
  ['Usage: npm run --silent admin -- COMMAND']
    .concat(Object.entries(COMMANDS).map(([name, { usage }]) => `  ${name} ${usage}`.trimEnd()))
    .join('\n');

const TAKEN: Readonly<Record<string, string>> = {
  tenants_slug_unique: 'There is a tenant with this slug already.',
  users_email_unique: 'Somebody else has this address already.',
  tenant_staff_tenant_user_unique: 'This person is staff of the tenant already.',
};

/** One sentence for an operator: never a stack, and never a query with its values. */
function explain(error: unknown): string {
  if (error instanceof ZodError) return error.issues.map(({ message }) => message).join('; ');
  // It says more than the fault that caused it.
  if (error instanceof MigrationError) return error.message;
  const fault = databaseFault(error);
  if (fault === 'unavailable') return 'The database cannot be reached.';
  if (fault === 'missing_table') return 'The database lacks a table: run `db migrate` first.';
  if (fault === 'unique_violation') {
    return TAKEN[violatedConstraint(error) ?? ''] ?? 'This exists already.';
  }
  return error instanceof Error ? error.message : String(error);
}

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const name = positionals.join(' ');
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new CommandError(usage());
  const result = await command.run(values);
  process.stdout.write(`${JSON.stringify(result)}\n`);
  return 'ok' in result && result.ok === false ? 1 : 0;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${explain(error)}\n`);
    process.exitCode = 1;
  },
);
