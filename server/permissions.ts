interface PermissionEntry {
  /** Completes "Holders may …". */
  readonly sentence: string;
  /** Giving it needs a second administrator, if the tenant's policy asks for approvals. */
  readonly privileged: boolean;
}

/**
 * Every built-in permission that a route can require. To add one, add an entry here. The team's own
 * permissions begin with `app:`, and the operator declares them.
 */
export const PERMISSIONS = {
  TENANT_STAFF_VIEW: {
    sentence: 'see the members of the tenant, their roles, sessions and invitations',
    privileged: false,
  },
  TENANT_STAFF_MANAGE: {
    sentence:
      'invite, change, disable and remove members, end their sessions, and reset their factors',
    privileged: true,
  },
  TENANT_ROLES_MANAGE: {
    sentence: "give and take roles, change the tenant's own roles, and rename the tenant",
    privileged: true,
  },
  SETTINGS_SECURITY_VIEW: {
    sentence:
      'see the security settings, the risk decisions and the audit log, and export evidence',
    privileged: false,
  },
  SETTINGS_SECURITY_EDIT: {
    sentence: 'change the security settings and the IP rules, and judge risk decisions',
    privileged: true,
  },
  IMPERSONATE: {
    sentence: 'act for some minutes as another member who holds nothing more than they do',
    privileged: true,
  },
  API_KEYS_MANAGE: {
    sentence: "see, create, change and revoke the tenant's API keys",
    privileged: true,
  },
  SCIM_PROVISION: {
    sentence: 'let a directory create, disable and remove members by SCIM, administrators too',
    privileged: true,
  },
} as const satisfies Record<string, PermissionEntry>;

export type BuiltInPermission = keyof typeof PERMISSIONS;

/** A permission that a route can require: a built-in one, or one of the team's own. */
export type Permission = BuiltInPermission | `app:${string}`;

/** The names of the built-in permissions. */
export const BUILT_IN_PERMISSIONS = Object.keys(PERMISSIONS) as BuiltInPermission[];

/** Matches the name of a permission of the team's own. */
export const OWN_PERMISSION = /^app:[a-z0-9][a-z0-9._-]{0,59}$/;

/** Matches everything that may stand in a list of permissions, known or not. */
export const PERMISSION_NAME = /^(?:[A-Z][A-Z0-9_]{1,63}|app:[a-z0-9][a-z0-9._-]{0,59})$/;

/** A member who may sign in and holds all of these can administer the tenant. */
export const ADMINISTERING: readonly BuiltInPermission[] = [
  'TENANT_STAFF_MANAGE',
  'TENANT_ROLES_MANAGE',
];
