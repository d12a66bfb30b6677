import { BUILT_IN_PERMISSIONS } from './permissions';
import type { BuiltInPermission } from './permissions';

interface BuiltInRole {
  readonly name: string;
  readonly description: string;
  readonly permissions: readonly BuiltInPermission[];
  /** The role also gives every permission of the team's own. */
  readonly givesOwnPermissions?: true;
}

/** The roles that every tenant has. Their ids are names, those of a tenant's own roles are UUIDs. */
export const BUILT_IN_ROLES = {
  owner: {
    name: 'Owner',
    description: 'Administers the tenant, with every permission.',
    permissions: BUILT_IN_PERMISSIONS,
    givesOwnPermissions: true,
  },
  security_admin: {
    name: 'Security admin',
    description: 'Sees and changes the security settings, and exports evidence.',
    permissions: ['TENANT_STAFF_VIEW', 'SETTINGS_SECURITY_VIEW', 'SETTINGS_SECURITY_EDIT'],
  },
  auditor: {
    name: 'Auditor',
    description: 'Reads everything and exports evidence, and changes nothing.',
    permissions: ['TENANT_STAFF_VIEW', 'SETTINGS_SECURITY_VIEW'],
  },
  member: {
    name: 'Member',
    description: 'Signs in, and has no permission here.',
    permissions: [],
  },
} as const satisfies Record<string, BuiltInRole>;

export type BuiltInRoleId = keyof typeof BUILT_IN_ROLES;

export const isBuiltInRole = (id: string): id is BuiltInRoleId => Object.hasOwn(BUILT_IN_ROLES, id);

/** Returns a built-in role in the common form of all roles. */
export const builtInRole = (id: BuiltInRoleId): BuiltInRole => BUILT_IN_ROLES[id];
