import { canonicalJson } from './canonicalJson';
import type { Json } from './canonicalJson';

/**
 * An event in its place, as it is hashed. Names are those of the columns; times are ISO 8601 in UTC with
 * milliseconds.
 */
export interface SealedEvent {
  readonly id: string;
  readonly tenant_id: string | null;
  readonly occurred_at: string;
  readonly action: string;
  readonly outcome: string;
  readonly actor: string;
  readonly subject: string | null;
  readonly on_behalf_of: string | null;
  readonly session_id: string | null;
  readonly ip: string | null;
  readonly country: string | null;
  readonly user_agent: string | null;
  readonly correlation_id: string;
  readonly details: Json;
  readonly leaf_index: number;
  readonly sealed_at: string;
}

const json = (value: string | null): string => (value === null ? 'null' : JSON.stringify(value));

/**
 * Returns the entry of the tree: the event in the form of RFC 8785. The members are written in sorted order, which
 * saves the sorting. Times, ids and words of closed lists normally need no escaping, but are escaped because the
 * table may hold anything.
 */
export const toLeafEntry = (event: SealedEvent): string =>
  `{"action":${json(event.action)},"actor":${json(event.actor)},"correlation_id":${json(event.correlation_id)}` +
  `,"country":${json(event.country)},"details":${canonicalJson(event.details)},"id":${json(event.id)}` +
  `,"ip":${json(event.ip)},"leaf_index":${event.leaf_index},"occurred_at":${json(event.occurred_at)}` +
  `,"on_behalf_of":${json(event.on_behalf_of)},"outcome":${json(event.outcome)},"sealed_at":${json(event.sealed_at)}` +
  `,"session_id":${json(event.session_id)},"subject":${json(event.subject)},"tenant_id":${json(event.tenant_id)}` +
  `,"user_agent":${json(event.user_agent)}}`;
