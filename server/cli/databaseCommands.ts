import { inspectSchema } from '../schema/guard/inspectSchema';
import { readMigrationState, runMigrations } from '../schema/migrations/migrate';
import { schemaHealthCheck } from '../schema/guard/checkSchemaHealth';
import { foldGrants } from '../schema/roles/foldGrants';
import { grantServing } from '../schema/roles/servingRole';
import { isPermissionDenied } from '../db/pgErrors';
import { normalizeAddresses } from '../tenants';
import { CommandError } from './commandError';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { required } from './options';
import type { Options } from './options';

export function migrateCommand(options: Options, invocation: Invocation) {
  return asWriter(
    options,
    invocation,
    async ({ config, deps, ctx }) => {
      const applied = await runMigrations(config.databaseUrl, config.migrationsDir, {
        codeVersion: config.version,
        appliedBy: config.migratedBy,
        correlationId: ctx.correlationId,
        actor: ctx.actor,
        ticket: ctx.ticket,
        onWait: ({ message }) => invocation.stderr.write(`${message}\n`),
      });
      const addresses = await normalizeAddresses(deps, ctx, 'operator');
      return {
        applied: applied.length,
        migrations: applied.map(({ tag, durationMs }) => ({ tag, durationMs })),
        addresses,
      };
    },
    'unchecked',
  );
}

export function pendingCommand(_options: Options, invocation: Invocation) {
  return asOperator(
    invocation,
    async ({ config }) => {
      const state = await readMigrationState(config.databaseUrl, config.migrationsDir);
      return { count: state.pending, pending: state.pendingTags, problems: state.problems };
    },
    'unchecked',
  );
}

/**
 * Makes the same comparison as the running server and as `npm run schema -- check --database`, and
 * adds a remedy to each finding.
 * @throws CommandError if no migration was ever applied; otherwise each object would be a finding
 */
export function checkCommand(_options: Options, invocation: Invocation) {
  return asOperator(
    invocation,
    async ({ config, deps }) => {
      const { databaseUrl, migrationsDir, schemaKnownRoles: knownRoles } = config;
      const report = await inspectSchema({ databaseUrl, migrationsDir, knownRoles });
      const { migrations, differences } = report;
      if (migrations.applied === 0 && migrations.problems.length === 0) {
        throw new CommandError(
          'No migration has been applied to this database: run `npm run --silent admin -- db migrate`.',
        );
      }
      const findings = foldGrants(differences, knownRoles);
      const schema = await schemaHealthCheck(deps.db);
      const ok =
        schema.ok &&
        migrations.pending === 0 &&
        migrations.problems.length === 0 &&
        findings.length === 0;
      return { ok, migrations, schema, findings };
    },
    'unchecked',
  );
}

function sayWhoGrants(error: unknown): never {
  if (!isPermissionDenied(error)) throw error;
  throw new CommandError(
    'Only the role that owns the tables can grant: set DATABASE_URL to connect as that role. Nothing was changed.',
  );
}

/**
 * Grants the server's privileges to a role. It is refused while migrations are pending, because the
 * grants would not include the tables that they create. The result names the settings that the
 * server then needs.
 */
export function grantCommand(options: Options, invocation: Invocation) {
  const role = required(options, 'role');
  return asOperator(
    invocation,
    async ({ config }) => {
      const { databaseUrl, migrationsDir, schemaKnownRoles } = config;
      const { pending } = await readMigrationState(databaseUrl, migrationsDir);
      if (pending > 0) throw new CommandError('Migrations are pending: run `db migrate` first.');
      const granted = await grantServing(databaseUrl, role);
      const known = [...new Set([...schemaKnownRoles, role])].join(',');
      return {
        ...granted,
        serverNeeds: {
          SCHEMA_KNOWN_ROLES: known,
          DATABASE_URL: `the same database, with ${role} as its user`,
        },
      };
    },
    'unchecked',
  ).catch(sayWhoGrants);
}
