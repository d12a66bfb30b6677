import type { Request, RequestHandler } from 'express';
import type { Impersonation } from '../context';
import { AppError } from '../errors';
import { contextOf } from './request';
import type { Impersonable } from './routeTable';

const READS = ['GET', 'HEAD'];

/** Returns whether an impersonation of this scope may send the request to a route with this mark. */
function mayPass({ method, res }: Request, { scope }: Impersonation): boolean {
  const mark = res?.locals['impersonable'] as Impersonable | undefined;
  switch (mark) {
    case 'stop':
      return true;
    case 'read':
      return READS.includes(method);
    case 'act':
      return scope === 'full';
    case undefined:
      return false;
  }
}

/**
 * Admits a request of somebody who acts as another member only to a route that is marked for it.
 * `mountRoutes` puts it into each route, after the authentication and the rate limits. The request is
 * counted before it is handled, also if it is refused.
 * @throws AppError IMPERSONATION_REFUSED; UNAUTHENTICATED if the impersonation has just ended
 */
export const admitImpersonated: RequestHandler = async (req, _res, next) => {
  const impersonation = req.principal?.impersonation;
  if (!impersonation) return next();
  const refused = !mayPass(req, impersonation);
  const route = `${req.method} ${String(req.res?.locals['route'])}`;
  await req.services.countImpersonated(contextOf(req), impersonation.id, { route, refused });
  if (!refused) return next();
  throw new AppError('IMPERSONATION_REFUSED', {
    detail: 'This cannot be done while you act as somebody else.',
    extra: { refusal: 'route' },
  });
};
