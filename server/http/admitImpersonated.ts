import type { Request } from 'express';
import type { Principal } from '../context';
import { AppError } from '../errors';
import { contextOf } from './request';
import type { Impersonable } from './routeTable';

const READS = ['GET', 'HEAD'];

/** Returns whether an impersonation of this scope may send the request to a route with this mark. */
function mayPass(
  { method, res }: Request,
  { scope }: NonNullable<Principal['impersonation']>,
): boolean {
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
 * Admits a request of somebody who acts as another member: only to a route that is marked for it.
 * The request is counted before it is handled, also if it is refused.
 * @throws AppError IMPERSONATION_REFUSED; UNAUTHENTICATED if the impersonation has just ended
 */
export async function admitImpersonated(req: Request, principal: Principal): Promise<void> {
  const { impersonation } = principal;
  if (!impersonation) return;
  const refused = !mayPass(req, impersonation);
  const route = `${req.method} ${String(req.res?.locals['route'])}`;
  await req.services.countImpersonated(contextOf(req), impersonation.id, { route, refused });
  if (!refused) return;
  throw new AppError('IMPERSONATION_REFUSED', {
    detail: 'This cannot be done while you act as somebody else.',
    extra: { refusal: 'route' },
  });
}
