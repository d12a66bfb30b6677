import { z } from 'zod';
import { BUILT_IN_ROLES, builtInRole } from '../builtInRoles';
import type { BuiltInRoleId } from '../builtInRoles';
import { AppError } from '../errors';
import { boundedList, storableText } from '../http/routeTable';
import { PERMISSION_NAME } from '../permissions';
import { inOrder } from './effectivePermissions';
import type { OwnRole } from './roleStore';
import { sameName } from './sameName';

const MOST_PERMISSIONS = 200;

/** A character that people can see. Fillers and variation selectors are letters and marks, too. */
const VISIBLE = /[^\p{White_Space}\p{Default_Ignorable_Code_Point}]/u;

/** Builds a schema for text in one line: no control characters and no line breaks. */
export const oneLine = (most: number, least: number) =>
  storableText(most, least)
    .transform((value) => value.trim().normalize('NFC'))
    .pipe(
      z
        .string()
        .min(least)
        .regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u, 'must be one line without control characters')
        .refine((value) => value === '' || VISIBLE.test(value), 'must not be blank'),
    );

/** The schema of a list of permissions. */
export const permissionList = boundedList(
  z.string().regex(PERMISSION_NAME, 'must be the name of a permission'),
  MOST_PERMISSIONS,
);

/** The properties that a tenant chooses for a role of its own. */
export const roleInput = z.strictObject({
  name: oneLine(100, 1),
  description: oneLine(500, 0).default(''),
  permissions: permissionList.transform(inOrder),
});

export type RoleInput = z.output<typeof roleInput>;

/**
 * Refuses a name that people would mistake for another role: that of another role of the tenant, or
 * the name or id of a built-in one.
 * @param roles the tenant's own roles, read under the tenant's lock
 * @throws AppError ROLE_NAME_TAKEN
 */
export function assertNameFree(
  roles: readonly OwnRole[],
  { id, name }: Pick<OwnRole, 'id' | 'name'>,
): void {
  const builtIn = (Object.keys(BUILT_IN_ROLES) as BuiltInRoleId[]).flatMap((one) => [
    one,
    builtInRole(one).name,
  ]);
  const others = roles.filter((role) => role.id !== id).map((role) => role.name);
  if ([...builtIn, ...others].some((other) => sameName(other, name))) {
    throw new AppError('ROLE_NAME_TAKEN');
  }
}
