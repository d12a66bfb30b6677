import type { Pool } from 'pg';
import type { AuditAction } from './actions';
import { EVENT_COLUMNS, SEALED_AT } from './log/sealerStore';
import type { EventRow } from './log/sealerStore';
import { auditOutcome } from '../db/schema';
import type { AuditOutcome } from '../db/schema';
import type { TimeCursor } from '../http/timeCursor';
import { DAY_MS, SECOND_MS } from '../durations';

export interface AuditFilter {
  actions?: readonly string[] | undefined;
  outcome?: AuditOutcome | undefined;
  actor?: string | undefined;
  subject?: string | undefined;
  correlationId?: string | undefined;
  sessionId?: string | undefined;
  /** The staff id of a person: only the events in which they are the actor or the subject. */
  person?: string | undefined;
  /** Inclusive. */
  from?: Date | undefined;
  /** Exclusive. */
  to?: Date | undefined;
}

/** An event as it is hashed, with its place in the log; the place is null until the event is sealed. */
export interface PlacedEvent extends EventRow {
  leaf_index: string | null;
  sealed_at: string | null;
}

export interface EventPage {
  readonly events: PlacedEvent[];
  /** The cursor of the next page; undefined on the last page. */
  readonly next: TimeCursor | undefined;
}

export interface EventQuery {
  filter: AuditFilter;
  below?: TimeCursor | undefined;
  limit: number;
  /** Every action of Gatehouse's own. If only an outcome is asked for, the index is searched once for each of them. */
  allActions: readonly AuditAction[];
}

const NEWEST_FIRST = 'e.occurred_at DESC, e.id DESC';
/** How many days one query covers at most. */
const MOST_DAYS = 512;
/** How long a page searches for rare events before it returns how far it has come. */
const PATIENCE_MS = SECOND_MS;
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** Collects the parameters of a statement while it is composed. */
function createValues() {
  const values: unknown[] = [];
  return { values, add: (value: unknown) => `$${values.push(value)}` };
}
type Values = ReturnType<typeof createValues>;

const withTenant = (tenant: string, hash: string) => `uuid_hash_extended(${tenant}, ${hash})`;
const ofText = (text: string) => `hashtextextended(${text}, 0)`;
const ofId = (id: string) => `uuid_hash_extended(${id}, 0)`;

/**
 * Chooses the condition that an index serves within a day: of the filters that select few events, the one that
 * usually selects the fewest.
 * @returns undefined if none of these filters is set
 */
function leadBy(tenantId: string, filter: AuditFilter, { add }: Values): string | undefined {
  const { correlationId, sessionId, subject, actor } = filter;
  const is = (column: string, value: string) =>
    `${withTenant('e.tenant_id', column)} = ${withTenant(`${add(tenantId)}::uuid`, value)}`;
  const isText = (column: string, value: string) =>
    is(ofText(column), ofText(`${add(value)}::text`));
  if (correlationId !== undefined) return isText('e.correlation_id', correlationId);
  if (subject !== undefined) return isText('e.subject', subject);
  if (sessionId !== undefined) return is(ofId('e.session_id'), ofId(`${add(sessionId)}::uuid`));
  return actor === undefined ? undefined : isText('e.actor', actor);
}

/** Returns all conditions, comparing by value: the index alone is not enough, because two values may share a hash. */
function matching(tenantId: string, { filter, below }: EventQuery, { add }: Values): string {
  const { actions, outcome, actor, subject, correlationId, sessionId, from, to } = filter;
  const conditions = [`e.tenant_id = ${add(tenantId)}::uuid`];
  if (actions) conditions.push(`e.action = ANY (${add(actions)}::text[])`);
  if (outcome !== undefined) conditions.push(`e.outcome = ${add(outcome)}::audit_outcome`);
  if (actor !== undefined) conditions.push(`e.actor = ${add(actor)}`);
  if (subject !== undefined) conditions.push(`e.subject = ${add(subject)}`);
  if (correlationId !== undefined) conditions.push(`e.correlation_id = ${add(correlationId)}`);
  if (sessionId !== undefined) conditions.push(`e.session_id = ${add(sessionId)}::uuid`);
  if (from) conditions.push(`e.occurred_at >= ${add(from.toISOString())}::timestamptz`);
  if (to) conditions.push(`e.occurred_at < ${add(to.toISOString())}::timestamptz`);
  if (below) {
    const [at, id] = [add(below.occurredAt.toISOString()), add(below.id)];
    conditions.push(`(e.occurred_at, e.id) < (${at}::timestamptz, ${id}::uuid)`);
  }
  return conditions.join(' AND ');
}

const byTime = (tenantId: string, query: EventQuery, values: Values): string =>
  `SELECT e.* FROM audit_logs e WHERE ${matching(tenantId, query, values)}`;

/**
 * Selects rows by action and outcome. An index holds each pair in the order of time, and the result is merged from
 * one search for each pair.
 */
function byKind(tenantId: string, query: EventQuery, values: Values): string {
  const { actions, outcome, ...filter } = query.filter;
  const { add } = values;
  const outcomes = outcome === undefined ? auditOutcome.enumValues : [outcome];
  const all = `unnest(${add(actions ?? query.allActions)}::text[]) AS a (action)`;
  const kinds = actions
    ? all
    : `(SELECT action FROM ${all} UNION SELECT name FROM declared_event_types) AS a (action)`;
  return `SELECT e.* FROM ${kinds}
    CROSS JOIN unnest(${add(outcomes)}::audit_outcome[]) AS o (outcome)
    CROSS JOIN LATERAL (
      SELECT e.* FROM audit_logs e
      WHERE e.action = a.action AND e.outcome = o.outcome
        AND ${matching(tenantId, { ...query, filter }, values)}
      ORDER BY ${NEWEST_FIRST} LIMIT ${add(query.limit)}
    ) e`;
}

/**
 * Selects rows of some days by one value. These indexes are ordered by day, so that a login writes to few of their
 * pages.
 */
function byValue(
  tenantId: string,
  query: EventQuery & { lead: string; days: readonly string[] },
  values: Values,
): string {
  const { add } = values;
  return `SELECT e.* FROM unnest(${add(query.days)}::date[]) AS d (day)
    CROSS JOIN LATERAL (
      SELECT e.* FROM audit_logs e
      WHERE (e.occurred_at AT TIME ZONE 'UTC')::date = d.day AND ${query.lead}
        AND ${matching(tenantId, query, values)}
      ORDER BY ${NEWEST_FIRST} LIMIT ${add(query.limit)}
    ) e`;
}

/**
 * Selects rows of some days in which a person is the actor or the subject: two searches for each
 * day, because one index holds actors and another one subjects.
 */
function byPerson(
  tenantId: string,
  query: EventQuery & { person: string; days: readonly string[] },
  values: Values,
): string {
  const { person, days } = query;
  const search = (filter: AuditFilter) => {
    const lead = leadBy(tenantId, filter, values) ?? 'true';
    return byValue(tenantId, { ...query, filter, lead, days }, values);
  };
  const asActor = search({ ...query.filter, actor: person });
  const asSubject = search({ ...query.filter, subject: `staff:${person}` });
  // Events in which the person is both are found by the first search.
  return `SELECT e.* FROM (${asActor} UNION ALL ${asSubject} WHERE e.actor <> ${values.add(person)}) e`;
}

function ofDays(
  tenantId: string,
  query: EventQuery & { days: readonly string[] },
  values: Values,
): string {
  const { person } = query.filter;
  if (person !== undefined) return byPerson(tenantId, { ...query, person }, values);
  const lead = leadBy(tenantId, query.filter, values) ?? 'true';
  return byValue(tenantId, { ...query, lead }, values);
}

/** Returns the newest of some rows, with their places in the log. */
async function findRows(
  pool: Pool,
  rows: string,
  limit: number,
  { values, add }: Values,
): Promise<PlacedEvent[]> {
  const found = await pool.query<PlacedEvent>(
    `SELECT ${EVENT_COLUMNS}, l.leaf_index, ${SEALED_AT} AS sealed_at
     FROM (${rows} ORDER BY ${NEWEST_FIRST} LIMIT ${add(limit)}) e LEFT JOIN audit_leaves l ON l.event_id = e.id
     ORDER BY ${NEWEST_FIRST}`,
    values,
  );
  return found.rows;
}

/** Returns the last and the first day that may hold matching events, as days since 1970 in UTC. */
async function findDays(
  pool: Pool,
  tenantId: string,
  { filter: { from, to }, below }: EventQuery,
): Promise<{ last: number; first: number }> {
  const { rows } = await pool.query<{ first: Date | null; last: Date | null }>(
    'SELECT min(occurred_at) AS first, max(occurred_at) AS last FROM audit_logs WHERE tenant_id = $1',
    [tenantId],
  );
  const [range] = rows;
  const ends = [range?.last, to, below?.occurredAt].map((end) => end?.getTime() ?? Infinity);
  const starts = [range?.first, from].map((start) => start?.getTime() ?? -Infinity);
  const toDay = (ms: number) => Math.floor(ms / DAY_MS);
  const none = !range?.last || !range.first;
  return none
    ? { last: -1, first: 0 }
    : { last: toDay(Math.min(...ends)), first: toDay(Math.max(...starts)) };
}

const nameDay = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);

/** Searches one day, then twice as many days each time up to the limit, until the page is full or the time is up. */
async function walkDays(
  pool: Pool,
  tenantId: string,
  query: EventQuery,
  patienceMs: number,
): Promise<EventPage> {
  const until = performance.now() + patienceMs;
  const { last, first } = await findDays(pool, tenantId, query);
  const events: PlacedEvent[] = [];
  let day = last;
  for (let most = 1; day >= first; most = Math.min(most * 2, MOST_DAYS)) {
    const days = Array.from({ length: Math.min(most, day - first + 1) }, (_, n) =>
      nameDay(day - n),
    );
    const limit = query.limit - events.length;
    const values = createValues();
    const rows = ofDays(tenantId, { ...query, days, limit }, values);
    events.push(...(await findRows(pool, rows, limit, values)));
    day -= days.length;
    if (events.length === query.limit) break;
    if (day >= first && performance.now() >= until) {
      return { events, next: { occurredAt: new Date((day + 1) * DAY_MS - 1), id: LAST_ID } };
    }
  }
  return { events, next: undefined };
}

/**
 * Returns a page of a tenant's events, newest first. A page that is short or empty need not be the last, because the
 * search for rare events is limited in time.
 */
export async function listEvents(
  pool: Pool,
  tenantId: string,
  asked: EventQuery,
  patienceMs = PATIENCE_MS,
): Promise<EventPage> {
  // One row more than is shown, to know whether there is a next page.
  const query = { ...asked, limit: asked.limit + 1 };
  const { actor, subject, correlationId, sessionId, person, actions, outcome } = asked.filter;
  let page: EventPage;
  if ([actor, subject, correlationId, sessionId, person].some((value) => value !== undefined)) {
    page = await walkDays(pool, tenantId, query, patienceMs);
  } else {
    const values = createValues();
    const rows = ((actions ?? outcome) ? byKind : byTime)(tenantId, query, values);
    page = { events: await findRows(pool, rows, query.limit, values), next: undefined };
  }
  const events = page.events.slice(0, asked.limit);
  const end = page.events.length > asked.limit ? events.at(-1) : undefined;
  return { events, next: end ? { id: end.id, occurredAt: new Date(end.occurred_at) } : page.next };
}

/**
 * A sealed event with the checkpoint that covers it: the newest one, or that of a given size. The fields are null if
 * there is none.
 */
export interface EventInTree extends PlacedEvent {
  leaf_hash: Buffer | null;
  size: string | null;
  root_hash: Buffer | null;
  note: string | null;
}

/** @param size of the checkpoint; undefined for the newest */
export async function findEventInTree(
  pool: Pool,
  tenantId: string,
  id: string,
  size: number | undefined,
): Promise<EventInTree | undefined> {
  const { rows } = await pool.query<EventInTree>({
    name: 'audit_event_in_tree',
    text: `SELECT ${EVENT_COLUMNS}, l.leaf_index, ${SEALED_AT} AS sealed_at, l.leaf_hash, c.size, c.root_hash, c.note
      FROM audit_logs e
      LEFT JOIN audit_leaves l ON l.event_id = e.id AND l.log_id = e.tenant_id
      LEFT JOIN LATERAL (
        SELECT size, root_hash, note FROM audit_checkpoints
        WHERE log_id = l.log_id AND size > l.leaf_index AND size >= coalesce($3::bigint, 0)
          AND size <= coalesce($3::bigint, 9223372036854775807)
        ORDER BY size DESC LIMIT 1
      ) c ON true
      WHERE e.tenant_id = $1 AND e.id = $2`,
    values: [tenantId, id, size ?? null],
  });
  return rows[0];
}
