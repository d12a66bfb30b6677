/** Every permission that a route can require, with a description. To add one, add a line here. */
export const PERMISSIONS = {
  SETTINGS_SECURITY_VIEW:
    'see the security settings, the risk decisions and the audit log, and export evidence',
  SETTINGS_SECURITY_EDIT: 'change the security settings, and judge risk decisions',
} as const;

export type Permission = keyof typeof PERMISSIONS;

/**
 * @returns the entries of a list that are not permissions; if they were stored, they would never
 * have an effect
 */
export const unknownPermissions = (permissions: readonly string[]): string[] =>
  permissions.filter((permission) => !Object.hasOwn(PERMISSIONS, permission));

/** A permission that does not exist was to be granted; the message lists those that exist. */
export class UnknownPermissionError extends Error {
  constructor(unknown: readonly string[]) {
    const known = Object.keys(PERMISSIONS).join(', ');
    super(`There is no permission ${unknown.join(', ')}. The permissions are ${known}.`);
    this.name = 'UnknownPermissionError';
  }
}
