import type { RequestHandler } from 'express';
import { AppError } from '../errors';
import type { Permission } from '../permissions';
import { contextOf, principalOf } from './request';
import type { Guard } from './routeTable';

/**
 * Admits staff with the permission in their current tenant; a refusal is recorded. The guard names
 * its permission, so that a test can try every route without it.
 */
export function requirePermission(permission: Permission): Guard {
  const guard: RequestHandler = async (req, _res, next) => {
    const principal = principalOf(req);
    if (!principal.permissions.includes(permission)) {
      await req.services.recordDenial(contextOf(req), principal, permission);
      throw new AppError('FORBIDDEN', { detail: `This needs the permission ${permission}.` });
    }
    next();
  };
  return Object.assign(guard, { permission });
}
