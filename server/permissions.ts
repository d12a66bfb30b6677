/** Every permission that a route asks for, with what its holder may do. A new one is one line here. */
export const PERMISSIONS = {
  SETTINGS_SECURITY_VIEW:
    'see the security settings, the risk decisions and the audit log, and export evidence',
  SETTINGS_SECURITY_EDIT: 'change the security settings, and judge risk decisions',
} as const;

export type Permission = keyof typeof PERMISSIONS;

/** @returns those of a list that are no permission; Gatehouse would store them, and they would never count */
export const unknownPermissions = (permissions: readonly string[]): string[] =>
  permissions.filter((permission) => !Object.hasOwn(PERMISSIONS, permission));

/** Somebody was to be given a permission that does not exist; the message names those that do. */
export class UnknownPermissionError extends Error {
  constructor(unknown: readonly string[]) {
    const known = Object.keys(PERMISSIONS).join(', ');
    super(`There is no permission ${unknown.join(', ')}. The permissions are ${known}.`);
    this.name = 'UnknownPermissionError';
  }
}
