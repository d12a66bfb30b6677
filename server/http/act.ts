import { createHash } from 'node:crypto';
import { canonicalJson } from '../../tlog/canonicalJson';
import type { Json } from '../../tlog/canonicalJson';
import { AppError } from '../errors';
import { isShallow } from './isShallow';
import type { Act } from './passage';

/** The parts of a request that decide what it does. */
export interface ActRequest {
  method: string;
  /** The path in the route table, for example `/api/security/factors/:id`. */
  route: string;
  params: Readonly<Record<string, unknown>>;
  query: Readonly<Record<string, unknown>>;
  /** The parsed body, before any schema has validated it. */
  body: unknown;
}

/** No body that a route accepts is nested deeper. */
const MOST_LEVELS = 32;

/**
 * Computes the act of a request from everything that decides what it does, so that a proof for one
 * act is not valid for another.
 * @throws AppError INVALID_INPUT for a body that is nested too deeply
 */
export function toAct({ method, route, params, query, body }: ActRequest): Act {
  if (!isShallow(body, MOST_LEVELS)) {
    throw new AppError('INVALID_INPUT', { detail: 'Send a body with fewer levels of nesting.' });
  }
  const whole = { method, route, params: { ...params }, query: { ...query }, body: body ?? null };
  const digest = createHash('sha256')
    .update(canonicalJson(whole as Json))
    .digest('hex');
  return { name: `${method} ${route}`, digest };
}
