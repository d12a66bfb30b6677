import type { Db } from '../db';
import { AppError } from '../errors';
import { BUILT_IN_PERMISSIONS, PERMISSIONS } from '../permissions';
import { listDeclared } from './permissionStore';

/** Every permission that can be given today, with what a person needs to know to give it. */
export interface KnownPermission {
  name: string;
  /** Completes "Holders may …". */
  description: string;
  /** Giving it needs a second administrator, if the tenant's policy asks for approvals. */
  privileged: boolean;
  builtIn: boolean;
}

/** Lists the built-in permissions, then those of the team's own. */
export async function listPermissions(db: Db): Promise<KnownPermission[]> {
  const declared = await listDeclared(db);
  const builtIn = BUILT_IN_PERMISSIONS.map((name) => {
    const { sentence, privileged } = PERMISSIONS[name];
    return { name, description: sentence, privileged, builtIn: true };
  });
  return [...builtIn, ...declared.map((one) => ({ ...one, builtIn: false }))];
}

/**
 * Checks that all of these permissions can be given.
 * @returns all permissions that can be given
 * @throws AppError UNKNOWN_PERMISSION if one of them does not exist, or was withdrawn; the detail
 * lists those that exist
 */
export async function assertKnown(
  db: Db,
  given: readonly string[],
): Promise<readonly KnownPermission[]> {
  const known = await listPermissions(db);
  const names = known.map(({ name }) => name);
  const unknown = given.filter((one) => !names.includes(one));
  if (unknown.length === 0) return known;
  throw new AppError('UNKNOWN_PERMISSION', {
    detail: `There is no permission ${unknown.join(', ')}. The permissions are ${names.join(', ')}.`,
  });
}

/**
 * Returns those of these permissions that need a second administrator, if the tenant's policy asks
 * for approvals.
 * @throws what {@link assertKnown} throws
 */
export async function privilegedAmong(db: Db, given: readonly string[]): Promise<string[]> {
  const known = await assertKnown(db, given);
  return given.filter((one) => known.some(({ name, privileged }) => privileged && name === one));
}
