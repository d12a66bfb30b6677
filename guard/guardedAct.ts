import { createHash } from 'node:crypto';
import { canonicalJson } from '../tlog/canonicalJson';
import type { Json } from '../tlog/canonicalJson';
import type { Act } from './guardContract';

/** The parts of a request that decide what it does. */
export interface ActParts {
  method: string;
  /** The route in words: `/projects/:id`. */
  route: string;
  params?: object;
  query?: object;
  /** The parsed body, or its text. */
  body?: unknown;
}

/**
 * Names an act, so that a proof for it is no proof for another one.
 * @returns the name for the audit log, and SHA-256, in hex, over the canonical JSON (RFC 8785) of
 * `{ body, method, params, query, route }`, with null for a missing body and `{}` for missing others
 */
export function toAct({ method, route, params = {}, query = {}, body = null }: ActParts): Act {
  // Through JSON, so that only what JSON can hold is part of it.
  const whole = JSON.parse(JSON.stringify({ method, route, params, query, body })) as Json;
  const digest = createHash('sha256').update(canonicalJson(whole)).digest('hex');
  return { name: `${method} ${route}`.slice(0, 200), digest };
}
