import type { RequestHandler } from 'express';
import { AppError } from '../errors';
import { principalOf } from './request';

/** Passes staff who hold the permission in the tenant they are signed in to. */
export function requirePermission(permission: string): RequestHandler {
  return (req, _res, next) => {
    if (!principalOf(req).permissions.includes(permission)) {
      throw new AppError('FORBIDDEN', { detail: `This needs the permission ${permission}.` });
    }
    next();
  };
}
