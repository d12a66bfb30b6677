import { AppError } from '../errors';
import type { Permission } from '../permissions';
import { contextOf, principalOf } from './request';
import { guard } from './routeTable';
import type { Guard } from './routeTable';

/** Admits staff with the permission in their current tenant; a refusal is recorded. */
export function requirePermission(permission: Permission): Guard {
  return guard({ permission, errors: ['FORBIDDEN'] }, async (req, _res, next) => {
    const principal = principalOf(req);
    if (!principal.permissions.includes(permission)) {
      await req.services.recordDenial(contextOf(req), principal, permission);
      throw new AppError('FORBIDDEN', { detail: `This needs the permission ${permission}.` });
    }
    next();
  });
}
