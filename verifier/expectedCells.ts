import type { Json } from '../tlog/canonicalJson';
import { guard } from './csvRecords';
import type { LeafEvent } from './leafEvent';

/**
 * The expected content of a cell: a text, nothing (null), JSON with this value, or undefined if the
 * event does not determine it.
 */
export type Expected = string | null | { readonly json: Json } | undefined;

/** A table of a bundle whose rows are events of audit-log. */
export interface EventTable {
  readonly name: string;
  /** The actions whose events have one row each. */
  readonly actions: ReadonlySet<string>;
  /** Set if it shows all actions that begin with this text, besides those of the list. */
  readonly prefix?: string;
  /** Whether only successful events have a row. */
  readonly isOfSuccess: boolean;
  /**
   * Set if the table also has rows without a leaf, for changes that were found in the database and
   * not in the log. It gives the fixed text of their cells by column.
   */
  readonly unrecorded: Readonly<Record<string, string | null>> | undefined;
  /** The same for rows that show a state of the database, and no change. */
  readonly states?: Readonly<Record<string, string | null>>;
  /**
   * The expected cells of a row, computed from its event. The values of other columns come from
   * elsewhere.
   */
  readonly columns: Readonly<Record<string, (event: LeafEvent) => Expected>>;
  /** The same for columns that older releases did not write. */
  readonly newerColumns: EventTable['columns'];
}

export const textOrNull = (text: string | null): string | null =>
  text === null ? null : guard(text);

export function detailOf({ details }: LeafEvent, name: string): Json | undefined {
  const isObject = typeof details === 'object' && details !== null && !Array.isArray(details);
  return isObject ? (details as Record<string, Json>)[name] : undefined;
}

/** Does what ->> does in Postgres: returns a text as it is, and any other value as JSON. */
export const detail =
  (name: string) =>
  (event: LeafEvent): Expected => {
    const value = detailOf(event, name);
    if (value === undefined || value === null) return null;
    return typeof value === 'string' ? guard(value) : { json: value };
  };

/** Does what -> does in Postgres. */
export const jsonDetail =
  (name: string) =>
  (event: LeafEvent): Expected => {
    const value = detailOf(event, name);
    return value === undefined ? null : { json: value };
  };

export const COMMON = {
  leaf_index: ({ leaf }: LeafEvent) => String(leaf),
  occurred_at: ({ occurredAt }: LeafEvent) => occurredAt,
  actor: ({ actor }: LeafEvent) => guard(actor),
};
export const ACTION = { action: ({ action }: LeafEvent) => guard(action) };
export const SUBJECT = { subject: ({ subject }: LeafEvent) => textOrNull(subject) };
export const DETAILS = { details: ({ details }: LeafEvent) => ({ json: details }) };
export const DEVICE = {
  session_id: ({ sessionId }: LeafEvent) => sessionId,
  ip: ({ ip }: LeafEvent) => textOrNull(ip),
};

/** Returns a member of an object in the details, as ->> does in Postgres. */
export const memberOf =
  (name: string, member: string) =>
  (event: LeafEvent): Expected =>
    detail(member)({ ...event, details: detailOf(event, name) ?? null });

/** Expects a moment; of a text in another form, what the table shows is not checked. */
export const moment =
  (read: (event: LeafEvent) => Expected) =>
  (event: LeafEvent): Expected => {
    const text = read(event);
    if (typeof text !== 'string') return text === null ? null : undefined;
    const time = /^[1-9]\d{3}-/.test(text) ? Date.parse(text) : NaN;
    return Number.isNaN(time) || new Date(time).toISOString() !== text ? undefined : text;
  };

export const table = (
  name: string,
  actions: readonly string[],
  columns: EventTable['columns'],
  { unrecorded, newerColumns = {} }: Partial<EventTable> = {},
): EventTable => ({
  ...{ name, actions: new Set(actions), columns, newerColumns, unrecorded },
  isOfSuccess: unrecorded !== undefined,
});
