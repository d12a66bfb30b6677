import type { Json } from '../tlog/canonicalJson';

/**
 * The members of an event that tables of events show. Comparing a row of the log with its leaf
 * needs fewer.
 */
export interface LeafEvent {
  readonly leaf: number;
  readonly id: string;
  readonly occurredAt: string;
  readonly action: string;
  readonly outcome: string;
  readonly actor: string;
  readonly subject: string | null;
  readonly onBehalfOf: string | null;
  readonly sessionId: string | null;
  readonly ip: string | null;
  readonly details: Json;
}

/** Builds an event from the members of its row, in whichever format they were written. */
export function toLeafEvent(
  member: (name: string) => string | null,
  leaf: number,
  details: Json,
): LeafEvent {
  const text = (name: string) => member(name) ?? '';
  return {
    ...{ leaf, details, id: text('id'), occurredAt: text('occurred_at') },
    ...{ action: text('action'), outcome: text('outcome'), actor: text('actor') },
    ...{ subject: member('subject'), onBehalfOf: member('on_behalf_of') },
    ...{ sessionId: member('session_id'), ip: member('ip') },
  };
}
