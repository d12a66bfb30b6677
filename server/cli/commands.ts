import { describeDifference, suggestMend } from '../bootstrap/catalogue/compareCatalogues';
import { schemaHealthCheck } from '../bootstrap/schemaHealth';
import { inspectSchema } from '../bootstrap/inspectSchema';
import { readMigrationState, runMigrations } from '../bootstrap/migrate';
import { grantServing } from '../bootstrap/servingRole';
import { currentTotpCode, enrollTotpForStaff } from '../security';
import {
  changePermissions,
  createStaff,
  createTenant,
  disableStaff,
  enableStaff,
  normalizeAddresses,
  objectionToPassword,
} from '../tenants';
import type { PermissionChange } from '../tenants';
import {
  forceLogoutCommand,
  listStaffCommand,
  setPasswordCommand,
  unlockCommand,
} from './accountCommands';
import { CommandError } from './commandError';
import { feedRewindCommand, feedStatusCommand } from './feedCommands';
import { collisionsCommand, setEmailCommand } from './emailCommands';
import { emailOption, staffOf, tenantIdOf } from './findStaff';
import { adoptKeysCommand, generateKeysCommand, keyStatusCommand } from './keyCommands';
import { asOperator } from './operatorContext';
import { readStdin, required } from './options';
import type { Options } from './options';
import { policyResetCommand, policyShowCommand } from './policyCommands';

/** `A,B`; nothing where the option was not given, or is empty. */
function listOf(options: Options, name: string): string[] {
  const value = options[name];
  const list = typeof value === 'string' ? value : '';
  return list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function createTenantCommand(options: Options) {
  const input = { slug: required(options, 'slug'), name: required(options, 'name') };
  return asOperator(async ({ deps, ctx }) => {
    const tenantId = await deps.db.transaction((tx) =>
      createTenant(deps, tx, ctx, input, 'operator'),
    );
    return { tenantId };
  });
}

async function createStaffCommand(options: Options) {
  const slug = required(options, 'tenant');
  const email = emailOption(options, 'email');
  if (options['password-stdin'] !== true) throw new CommandError('--password-stdin is missing.');
  const permissions = listOf(options, 'permissions');
  const password = await readStdin();
  const totp = options['totp'] === true;
  return asOperator(async (operator) => {
    const { deps, ctx } = operator;
    const objection = objectionToPassword(deps, password, totp);
    if (objection !== undefined) throw new CommandError(objection);
    const tenantId = await tenantIdOf(operator, slug);
    // An older release may have stored the same mailbox in another spelling since the last time.
    await normalizeAddresses(deps, ctx, 'operator');
    const passwordHash = await deps.passwords.hash(password);
    return deps.db.transaction(async (tx) => {
      const input = { tenantId, email, permissions, passwordHash };
      const { userId, staffId, userCreated } = await createStaff(deps, tx, ctx, input, 'operator');
      const staff = { tenantId, userId, staffId };
      const totpSecret = totp
        ? await enrollTotpForStaff(deps, tx, ctx, staff, 'operator')
        : undefined;
      return { ...staff, userCreated, ...(totpSecret === undefined ? {} : { totpSecret }) };
    });
  });
}

function disableCommand(options: Options) {
  return asOperator(async (operator) => {
    const { tenantId, staffId, email } = await staffOf(operator, options);
    const staff = { tenantId, staffId };
    const done = await disableStaff(operator.deps, operator.ctx, staff, 'operator');
    if (!done) throw new CommandError(`'${email}' is disabled already.`);
    return { ...staff, disabled: true };
  });
}

function enableCommand(options: Options) {
  return asOperator(async (operator) => {
    const { tenantId, staffId, email } = await staffOf(operator, options);
    const staff = { tenantId, staffId };
    const done = await enableStaff(operator.deps, operator.ctx, staff, 'operator');
    if (!done) throw new CommandError(`'${email}' is not disabled.`);
    return { ...staff, disabled: false };
  });
}

/** An empty `--set` takes all of them away; what is to be done is never guessed. */
function permissionChange(options: Options): PermissionChange {
  const [sets, adds, removes] = ['set', 'add', 'remove'].map(
    (name) => typeof options[name] === 'string',
  );
  if (sets === (adds || removes)) {
    throw new CommandError('Say either --set A,B or what to --add A,B and --remove C.');
  }
  if (sets) return { set: listOf(options, 'set') };
  return { add: listOf(options, 'add'), remove: listOf(options, 'remove') };
}

function permissionsCommand(options: Options) {
  const change = permissionChange(options);
  return asOperator(async (operator) => {
    const { tenantId, staffId, email } = await staffOf(operator, options);
    const { deps, ctx } = operator;
    const staff = { tenantId, staffId };
    const { before, after, changed } = await changePermissions(
      deps,
      ctx,
      staff,
      change,
      'operator',
    );
    if (!changed) throw new CommandError(`'${email}' has these permissions already.`);
    return { ...staff, before, after };
  });
}

function enrollTotpCommand(options: Options) {
  return asOperator(async (operator) => {
    const { deps, ctx } = operator;
    const { tenantId, userId, staffId } = await staffOf(operator, options);
    const staff = { tenantId, userId, staffId };
    const totpSecret = await deps.db.transaction((tx) =>
      enrollTotpForStaff(deps, tx, ctx, staff, 'operator'),
    );
    return { ...staff, totpSecret };
  });
}

function migrateCommand() {
  return asOperator(async ({ config, deps, ctx }) => {
    const applied = await runMigrations(config.databaseUrl, config.migrationsDir, {
      codeVersion: config.version,
      appliedBy: config.migratedBy,
      correlationId: ctx.correlationId,
      onWait: ({ message }) => process.stderr.write(`${message}\n`),
    });
    const addresses = await normalizeAddresses(deps, ctx, 'operator');
    return {
      applied: applied.length,
      migrations: applied.map(({ tag, durationMs }) => ({ tag, durationMs })),
      addresses,
    };
  }, 'unchecked');
}

function pendingCommand() {
  return asOperator(async ({ config }) => {
    const state = await readMigrationState(config.databaseUrl, config.migrationsDir);
    return { count: state.pending, pending: state.pendingTags, problems: state.problems };
  }, 'unchecked');
}

/** The comparison of the running server and of `npm run schema -- check --database`, with what mends each finding. */
function checkCommand() {
  return asOperator(async ({ config, deps }) => {
    const { databaseUrl, migrationsDir, schemaKnownRoles: knownRoles } = config;
    const report = await inspectSchema({ databaseUrl, migrationsDir, knownRoles });
    const { migrations, differences } = report;
    const findings = differences.map((difference) => ({
      problem: difference.problem,
      object: difference.object,
      message: describeDifference(difference),
      fix: suggestMend(difference),
    }));
    const schema = await schemaHealthCheck(deps.db);
    const ok =
      schema.ok &&
      migrations.pending === 0 &&
      migrations.problems.length === 0 &&
      findings.length === 0;
    return { ok, migrations, schema, findings };
  }, 'unchecked');
}

/** Refused while migrations are pending: what they make would be forgotten. */
function grantCommand(options: Options) {
  const role = required(options, 'role');
  return asOperator(async ({ config }) => {
    const { databaseUrl, migrationsDir } = config;
    const { pending } = await readMigrationState(databaseUrl, migrationsDir);
    if (pending > 0) throw new CommandError('Migrations are pending: run `db migrate` first.');
    return grantServing(databaseUrl, role);
  }, 'unchecked');
}

async function totpCodeCommand(options: Options) {
  return { code: await currentTotpCode(required(options, 'secret'), new Date()) };
}

interface Command {
  usage: string;
  run: (options: Options) => Promise<object>;
}

/** What an operator can do, by the words of the command line. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  'tenant create': { usage: '--slug S --name N', run: createTenantCommand },
  'staff create': {
    usage: '--tenant S --email E --password-stdin [--permissions A,B] [--totp]',
    run: createStaffCommand,
  },
  'staff list': { usage: '--tenant S [--locked]', run: listStaffCommand },
  'staff disable': { usage: '--tenant S --email E', run: disableCommand },
  'staff enable': { usage: '--tenant S --email E', run: enableCommand },
  'staff permissions': {
    usage: '--tenant S --email E --set A,B | [--add A,B] [--remove C]',
    run: permissionsCommand,
  },
  'staff force-logout': {
    usage: '--tenant S --email E [--compromised [--expire-password] [--since INSTANT]]',
    run: forceLogoutCommand,
  },
  'staff set-password': {
    usage: '--tenant S --email E --password-stdin',
    run: setPasswordCommand,
  },
  'staff enroll-totp': { usage: '--tenant S --email E', run: enrollTotpCommand },
  'staff set-email': {
    usage: '--tenant S (--email E | --staff ID) --to E',
    run: setEmailCommand,
  },
  'staff unlock': { usage: '--tenant S --email E', run: unlockCommand },
  'users collisions': { usage: '', run: collisionsCommand },
  'policy show': { usage: '--tenant S', run: policyShowCommand },
  'policy reset': { usage: '--tenant S', run: policyResetCommand },
  'db migrate': { usage: '', run: migrateCommand },
  'db pending': { usage: '', run: pendingCommand },
  'db grant': { usage: '--role NAME', run: grantCommand },
  'db check': { usage: '', run: checkCommand },
  'feed status': { usage: '[--log ID [--leaf N --hash H]]', run: feedStatusCommand },
  'feed rewind': { usage: '--log ID --to N', run: feedRewindCommand },
  'keys adopt': { usage: '[--setting NAME]', run: adoptKeysCommand },
  'keys status': { usage: '', run: keyStatusCommand },
  'keys generate': { usage: '', run: generateKeysCommand },
  'totp code': { usage: '--secret BASE32', run: totpCodeCommand },
};
