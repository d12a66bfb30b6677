import type { CommandTable } from './command';
import { declarePermissionsCommand, listPermissionsCommand } from './permissionCommands';
import {
  changeRoleCommand,
  createRoleCommand,
  deleteRoleCommand,
  listRolesCommand,
} from './roleCommands';

const ROLE_SAYS = {
  name: 'The name of the role: one line of 1 to 100 characters.',
  permissions: 'All permissions of the role; an empty list means none.',
};

/** The commands of roles and permissions. */
export const ROLE_COMMANDS: CommandTable = {
  'roles list': {
    summary:
      "Lists the built-in roles and a tenant's own, with the number of members who carry each.",
    usage: '--tenant S',
    example: '--tenant globex',
    run: listRolesCommand,
  },
  'roles create': {
    summary: "Makes a role of a tenant's own.",
    usage: '--tenant S --name N [--description D] [--permissions A,B]',
    example: '--tenant globex --name Support --permissions TENANT_STAFF_VIEW',
    says: ROLE_SAYS,
    writes: true,
    run: createRoleCommand,
  },
  'roles change': {
    summary: "Changes a role of a tenant's own, and the permissions of everybody who carries it.",
    usage:
      '--tenant S --role R [--name N] [--description D] [--permissions A,B] [--last-administrator]',
    example: '--tenant globex --role Support --permissions SETTINGS_SECURITY_VIEW',
    says: { ...ROLE_SAYS, role: 'The id or the name of the role.' },
    writes: true,
    run: changeRoleCommand,
  },
  'roles delete': {
    summary: "Deletes a role of a tenant's own that nobody carries.",
    usage: '--tenant S --role R',
    example: '--tenant globex --role Support',
    says: { role: 'The id or the name of the role.' },
    writes: true,
    run: deleteRoleCommand,
  },
  'permissions list': {
    summary: "Lists every permission, built in and of the team's own, with what it allows.",
    usage: '',
    example: '',
    run: listPermissionsCommand,
  },
  'permissions declare': {
    summary:
      "Declares the team's own permissions: adds those in a file, and withdraws all others from everybody.",
    usage: '[--file F] [--dry-run]',
    example: '--file permissions.json --dry-run',
    says: { 'dry-run': 'Only compare; change nothing.' },
    writes: true,
    run: declarePermissionsCommand,
  },
};
