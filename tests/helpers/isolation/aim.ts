import type { Traveller } from '../people/traveller';
import type { Ids } from './inventIds';

/**
 * One way to send a foreign id to a route, and the status that means "not found" or "only your
 * own".
 */
export interface Aim {
  path?: string;
  body?: Record<string, unknown>;
  /** Replaces the query that is sent to every route. */
  query?: Record<string, string>;
  expected: number;
}

/**
 * The routes of an area by method and path, and how another tenant's ids can be sent to each of
 * them by a person who has signed in.
 */
export type Sweep = Record<string, (ids: Ids, me: Traveller) => Aim[]>;

/** Returns ids of another tenant that a body may name although the route takes none. */
export const decoys = ({ tenantId, staffId, userId }: Ids) => ({ tenantId, staffId, userId });

/** Returns a cursor that points at another tenant's row. */
export const cursorAt = (id: string) =>
  Buffer.from(`${Date.now() + 60_000}/${id}`).toString('base64url');
