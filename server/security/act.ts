import { createHash } from 'node:crypto';
import { canonicalJson } from '../audit';
import type { Json } from '../audit';
import { AppError } from '../errors';

/** What one request asks for. */
export interface ActRequest {
  method: string;
  /** As the route table has it: `/api/security/factors/:id`. */
  route: string;
  params: Readonly<Record<string, unknown>>;
  query: Readonly<Record<string, unknown>>;
  /** As it was parsed, before any schema looked at it. */
  body: unknown;
}

/** One act that a proof is asked for. */
export interface Act {
  /** Method and route, for people. */
  readonly name: string;
  /** SHA-256 over all of it, hex: the proof opens this very request. */
  readonly digest: string;
}

/** No body that a route accepts is nested deeper; a walk that is not bounded ends in a full stack. */
const MOST_LEVELS = 32;

function assertShallow(value: unknown, levels = MOST_LEVELS): void {
  if (value === null || typeof value !== 'object') return;
  if (levels === 0)
    throw new AppError('INVALID_INPUT', { detail: 'The body is nested too deeply.' });
  for (const member of Object.values(value)) assertShallow(member, levels - 1);
}

/**
 * Names an act by everything that decides what it does, so that a proof given for it is worth nothing for another.
 * @throws AppError INVALID_INPUT for a body that is nested too deeply
 */
export function toAct({ method, route, params, query, body }: ActRequest): Act {
  assertShallow(body);
  const whole = { method, route, params: { ...params }, query: { ...query }, body: body ?? null };
  const digest = createHash('sha256')
    .update(canonicalJson(whole as Json))
    .digest('hex');
  return { name: `${method} ${route}`, digest };
}
