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
  /** The parsed body, its text, or its bytes. */
  body?: unknown;
}

/**
 * A request whose act could be mistaken for another one. Express and Fastify answer it with this
 * status.
 */
export class UnclearAct extends Error {
  readonly status = 400;
  readonly statusCode = 400;
}

/** Without a limit the recursion could overflow the stack. */
const MOST_LEVELS = 32;

/** Objects of JSON and of parsers. Others, such as a Map, may keep their content where JSON sees none. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * Refuses numbers that several texts may have become: `1e999` is Infinity, for which JSON writes null,
 * and above 2^53 neighbours become one number.
 */
function assertExact(value: number): void {
  const isRounded = Number.isInteger(value) && !Number.isSafeInteger(value);
  if (!Number.isFinite(value) || Object.is(value, -0) || isRounded) {
    throw new UnclearAct(`The number ${value} cannot be part of an act: send it as a text.`);
  }
}

/** @throws UnclearAct for a value that JSON does not hold without loss */
function toJson(value: unknown, levels: number): Json {
  if (typeof value === 'number') assertExact(value);
  if (value === null || ['boolean', 'string', 'number'].includes(typeof value)) {
    return value as Json;
  }
  if (levels === 0) throw new UnclearAct('Send a request with fewer levels of nesting.');
  if (Array.isArray(value)) return Array.from(value, (item) => toJson(item, levels - 1));
  if (typeof value !== 'object' || !isPlain(value)) {
    throw new UnclearAct('The request has a value that JSON cannot hold: name the act by `actOf`.');
  }
  // Not by assignment: a member may be called `__proto__`.
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => [name, toJson(member, levels - 1)]),
  );
}

/**
 * Names an act, so that a proof for it is no proof for another one.
 * @returns the name for the audit log, and SHA-256, in hex, over the canonical JSON (RFC 8785) of
 * `{ body, method, params, query, route }`, with null for a missing body and `{}` for missing others,
 * and for bytes with `bytes` in base64 in place of `body`
 * @throws UnclearAct with status 400 if a value is not one of JSON, or could be that of another text
 */
export function toAct({ method, route, params = {}, query = {}, body = null }: ActParts): Act {
  const sent =
    body instanceof Uint8Array ? { bytes: Buffer.from(body).toString('base64') } : { body };
  const whole = toJson({ method, route, params, query, ...sent }, MOST_LEVELS);
  const digest = createHash('sha256').update(canonicalJson(whole)).digest('hex');
  return { name: `${method} ${route}`.slice(0, 200), digest };
}
