import {
  approvalPolicyCommand,
  listApprovalsCommand,
  refuseApprovalCommand,
} from './approvalCommands';
import { currentTotpCode } from '../security';
import {
  forceLogoutCommand,
  setPasswordCommand,
  showStaffCommand,
  unlockCommand,
} from './accountCommands';
import type { CommandTable } from './command';
import { CommandError } from './commandError';
import { checkCommand, grantCommand, migrateCommand, pendingCommand } from './databaseCommands';
import { collisionsCommand, setEmailCommand } from './emailCommands';
import { feedRewindCommand, feedStatusCommand } from './feedCommands';
import { IMPERSONATION_COMMANDS } from './impersonationCommands';
import { INVITATION_COMMANDS } from './invitationCommands';
import { DOMAIN_COMMANDS } from './domainCommands';
import { IP_RULE_COMMANDS } from './ipRuleCommands';
import { adoptKeysCommand, generateKeysCommand, keyStatusCommand } from './keyCommands';
import { endSessionCommand, listSessionsCommand, listStaffCommand } from './memberCommands';
import { required } from './options';
import type { Options } from './options';
import { policyResetCommand, policyShowCommand } from './policyCommands';
import { PROGRAM_KEY_COMMANDS } from './programKeyCommands';
import { staffRolesCommand } from './roleCommands';
import { EVENT_COMMANDS } from './eventCommands';
import { ROLE_COMMANDS } from './roleTable';
import { endSessionsCommand } from './sessionCommands';
import { SSO_COMMANDS } from './ssoCommands';
import {
  createStaffCommand,
  disableCommand,
  enableCommand,
  setEndCommand,
  enrollTotpCommand,
  permissionsCommand,
  removeCommand,
  resetFactorsCommand,
} from './staffCommands';
import {
  createTenantCommand,
  deleteTenantCommand,
  listTenantsCommand,
  renameTenantCommand,
  restoreTenantCommand,
  showTenantCommand,
  suspendTenantCommand,
} from './tenantCommands';

async function totpCodeCommand(options: Options) {
  const secret = required(options, 'secret');
  const code = await currentTotpCode(secret, new Date()).catch(() => {
    throw new CommandError(
      '--secret must be a TOTP secret in base32: 26 or more characters from A to Z and 2 to 7.',
    );
  });
  return { code };
}

const PERSON = '--tenant globex --email ann@globex.example';
const ROLES = 'The roles of the person, by id or name; none if omitted.';
const PIPED = "echo 'a long enough password' | ";

/** The operator's commands, by the words of the command line. */
export const COMMANDS: CommandTable = {
  'tenant create': {
    summary: 'Creates a tenant.',
    usage: '--slug S --name N',
    example: "--slug globex --name 'Globex'",
    writes: true,
    run: createTenantCommand,
  },
  'tenant list': {
    summary: 'Lists all tenants.',
    usage: '',
    example: '',
    run: listTenantsCommand,
  },
  'tenant show': {
    summary: 'Shows a tenant: status, times, number of members.',
    usage: '--tenant S',
    example: '--tenant globex',
    run: showTenantCommand,
  },
  'tenant rename': {
    summary: 'Changes the name of a tenant. The slug stays.',
    usage: '--tenant S --name N',
    example: "--tenant globex --name 'Globex Ltd'",
    writes: true,
    run: renameTenantCommand,
  },
  'tenant suspend': {
    summary:
      'Blocks all sign-ins to a tenant and ends the access of all its members. Run it again if it was interrupted.',
    usage: '--tenant S',
    example: '--tenant globex',
    writes: true,
    run: suspendTenantCommand,
  },
  'tenant restore': {
    summary: 'Lets the members of a suspended tenant sign in again.',
    usage: '--tenant S',
    example: '--tenant globex',
    writes: true,
    run: restoreTenantCommand,
  },
  'tenant delete': {
    summary:
      'Closes a tenant for good. Its rows and its slug stay. Run it again if it was interrupted.',
    usage: '--tenant S --yes',
    example: '--tenant globex --yes',
    writes: true,
    run: deleteTenantCommand,
  },
  'staff create': {
    summary: 'Adds a person, new or existing, to the staff of a tenant.',
    usage:
      '--tenant S --email E (--password-stdin | --no-password | --existing) [--role R,S] [--permissions A,B] [--totp]',
    example: `${PERSON} --password-stdin --role auditor`,
    says: { role: ROLES },
    piped: PIPED,
    writes: true,
    run: createStaffCommand,
  },
  'staff list': {
    summary: 'Lists the staff of a tenant, and shows who is locked out.',
    usage: '--tenant S [--locked] [--search TEXT] [--role NAME] [--status X]',
    example: '--tenant globex --search ann',
    says: {
      role: 'Only people with this role, by id or name.',
      status: 'Only people with this status: active, disabled or removed.',
    },
    run: listStaffCommand,
  },
  'staff sessions': {
    summary: 'Lists the live sessions of a person in a tenant.',
    usage: '--tenant S (--email E | --staff ID)',
    example: PERSON,
    run: listSessionsCommand,
  },
  'staff end-session': {
    summary: 'Ends one session of a person.',
    usage: '--tenant S (--email E | --staff ID) --session ID',
    example: `${PERSON} --session 0198c7a2-5a51-7d6c-8f0e-3b1f6a0c9d11`,
    writes: true,
    run: endSessionCommand,
  },
  'staff show': {
    summary: "Shows a person's status, roles, permissions, factors, sessions and locks.",
    usage: '--tenant S (--email E | --staff ID)',
    example: PERSON,
    run: showStaffCommand,
  },
  'staff disable': {
    summary: 'Signs a person out of a tenant, and blocks their sign-in there.',
    usage: '--tenant S (--email E | --staff ID) [--last-administrator]',
    example: PERSON,
    writes: true,
    run: disableCommand,
  },
  'staff enable': {
    summary: 'Lets a disabled person sign in again.',
    usage: '--tenant S (--email E | --staff ID)',
    example: PERSON,
    writes: true,
    run: enableCommand,
  },
  'staff set-end': {
    summary: 'Sets the end of a membership: the person is then removed by itself.',
    usage: '--tenant S (--email E | --staff ID) (--ends-at INSTANT | --never)',
    example: `${PERSON} --ends-at 2027-01-31T17:00:00Z`,
    writes: true,
    run: setEndCommand,
  },
  'staff remove': {
    summary: 'Ends a membership: access, roles, permissions and factors of a person in a tenant.',
    usage: '--tenant S (--email E | --staff ID) [--last-administrator]',
    example: PERSON,
    writes: true,
    run: removeCommand,
  },
  'staff permissions': {
    summary: "Changes a person's permissions. The change applies from their next request on.",
    usage:
      '--tenant S (--email E | --staff ID) (--set A,B | [--add A,B] [--remove C]) [--last-administrator]',
    example: `${PERSON} --add SETTINGS_SECURITY_EDIT`,
    writes: true,
    run: permissionsCommand,
  },
  'staff roles': {
    summary: "Changes a person's roles, and the permissions that the roles give.",
    usage: '--tenant S (--email E | --staff ID) --set R,S [--last-administrator]',
    example: `${PERSON} --set auditor`,
    says: {
      set: 'All roles that the person is to have, by id or name; an empty list removes all.',
    },
    writes: true,
    run: staffRolesCommand,
  },
  'staff force-logout': {
    summary: 'Ends all sessions of a person in a tenant, or of everybody in it.',
    usage:
      '--tenant S (--all | (--email E | --staff ID) [--compromised [--expire-password] [--since INSTANT]])',
    example: `${PERSON} --compromised`,
    writes: true,
    run: forceLogoutCommand,
  },
  'staff reset-factors': {
    summary: 'Removes all second factors of a person in a tenant, and ends their sessions there.',
    usage: '--tenant S (--email E | --staff ID) --reason TEXT',
    example: `${PERSON} --reason 'Lost'`,
    writes: true,
    run: resetFactorsCommand,
  },
  'staff set-password': {
    summary: "Changes a person's password, and ends their sessions in all tenants.",
    usage: '--tenant S (--email E | --staff ID) --password-stdin',
    example: `${PERSON} --password-stdin`,
    piped: PIPED,
    writes: true,
    run: setPasswordCommand,
  },
  'staff enroll-totp': {
    summary:
      'Gives a person a new TOTP factor, which replaces all earlier ones, and prints its secret once.',
    usage: '--tenant S (--email E | --staff ID)',
    example: PERSON,
    writes: true,
    run: enrollTotpCommand,
  },
  'staff set-email': {
    summary: "Changes a person's e-mail address.",
    usage: '--tenant S (--email E | --staff ID) --to E',
    example: `${PERSON} --to ann.lee@globex.example`,
    says: { to: 'The new address.' },
    writes: true,
    run: setEmailCommand,
  },
  'staff unlock': {
    summary: 'Clears the failed attempts that lock a person out.',
    usage: '--tenant S (--email E | --staff ID)',
    example: PERSON,
    writes: true,
    run: unlockCommand,
  },
  ...ROLE_COMMANDS,
  ...INVITATION_COMMANDS,
  ...IMPERSONATION_COMMANDS,
  ...PROGRAM_KEY_COMMANDS,
  ...EVENT_COMMANDS,
  'sessions end': {
    summary: 'Signs out everybody whose ended sessions a database failover may have restored.',
    usage: '--since INSTANT [--until INSTANT] [--tenant S] [--dry-run]',
    example: '--since 2026-01-31T08:00:00Z --until 2026-01-31T08:00:30Z --dry-run',
    says: {
      since: 'The last moment up to which no data was lost. A lost sign-out leaves no trace.',
      until:
        'The moment at which the new database took over; now if omitted. People whose sessions all began later stay signed in.',
      tenant: 'The slug of one tenant; all tenants if omitted.',
    },
    writes: true,
    run: endSessionsCommand,
  },
  'users collisions': {
    summary: 'Lists people who cannot sign in with their stored e-mail address.',
    usage: '',
    example: '',
    run: collisionsCommand,
  },
  'approvals list': {
    summary: 'Lists the changes of a tenant that wait for a second administrator, newest first.',
    usage: '--tenant S [--status X]',
    example: '--tenant globex --status open',
    run: listApprovalsCommand,
  },
  'approvals refuse': {
    summary: 'Refuses a change that waits for a second administrator.',
    usage: '--tenant S --approval ID',
    example: '--tenant globex --approval 0198c7a2-5a51-7d6c-8f0e-3b1f6a0c9d11',
    writes: true,
    run: refuseApprovalCommand,
  },
  'approvals policy': {
    summary: 'Sets whether privileged permissions need a second administrator.',
    usage: '--tenant S --needed X',
    example: '--tenant globex --needed yes',
    says: { needed: 'Either yes or no.' },
    writes: true,
    run: approvalPolicyCommand,
  },
  'policy show': {
    summary: "Shows a tenant's risk policy.",
    usage: '--tenant S',
    example: '--tenant globex',
    run: policyShowCommand,
  },
  'policy reset': {
    summary: "Resets a tenant's risk policy to the defaults.",
    usage: '--tenant S',
    example: '--tenant globex',
    writes: true,
    run: policyResetCommand,
  },
  ...IP_RULE_COMMANDS,
  ...DOMAIN_COMMANDS,
  ...SSO_COMMANDS,
  'db migrate': {
    summary: 'Applies all pending migrations. Run it as the Postgres role that owns the tables.',
    usage: '',
    example: '',
    writes: true,
    run: migrateCommand,
  },
  'db pending': {
    summary: 'Lists the migrations that `db migrate` would apply.',
    usage: '',
    example: '',
    run: pendingCommand,
  },
  'db grant': {
    summary:
      'Grants a Postgres role exactly the privileges that the server needs, and prints the settings to use with it.',
    usage: '--role NAME',
    example: '--role gatehouse_serving',
    run: grantCommand,
  },
  'db check': {
    summary: 'Compares the schema of the database with this release.',
    usage: '',
    example: '',
    run: checkCommand,
  },
  'feed status': {
    summary:
      'Shows how many events the receiver has. With --leaf and --hash, checks that one of them is in the log.',
    usage: '[--log ID [--leaf N --hash H]]',
    example: '',
    run: feedStatusCommand,
  },
  'feed rewind': {
    summary:
      'Makes the feed of a log continue at event N: sends events again, or skips the events before N.',
    usage: '--log ID --to N',
    example: '--log 0198c7a2-5a51-7d6c-8f0e-3b1f6a0c9d11 --to 1200',
    says: { to: 'The index of the first event to send.' },
    writes: true,
    run: feedRewindCommand,
  },
  'keys adopt': {
    summary:
      'Accepts the configured keys as those of this database without proof. Use it only if you are sure.',
    usage: '[--setting NAME]',
    example: '--setting TOKEN_HASH_KEY',
    writes: true,
    run: adoptKeysCommand,
  },
  'keys status': {
    summary: 'Shows how much data still uses each key, and which keys can be removed.',
    usage: '',
    example: '',
    run: keyStatusCommand,
  },
  'keys generate': {
    summary: 'Prints a new set of keys. Stores nothing.',
    usage: '[--env]',
    example: '--env',
    run: generateKeysCommand,
  },
  'totp code': {
    summary: 'Prints the current code of a TOTP secret.',
    usage: '--secret BASE32',
    example: '--secret JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP',
    run: totpCodeCommand,
  },
};
