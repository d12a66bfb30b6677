import type { Column } from './copyStore';

/** The columns of an event, for sets that hold rows of several kinds. */
export const EVENT = {
  action: 'text',
  occurred_at: 'timestamptz',
  event_id: 'uuid',
  details: 'jsonb',
} as const;

/** @returns the select list of a row in a set with the columns `types`; a column without a value is null */
export const stackedRow =
  <Name extends string>(types: Readonly<Record<Name, string>>) =>
  (values: Partial<Record<Name, string>>): string =>
    (Object.entries(types) as [Name, string][])
      .map(([name, type]) => `(${values[name] ?? 'NULL'})::${type} AS ${name}`)
      .join(', ');

/** Returns an aggregate: the value of the first row, in the given order, that meets the condition `fits`. */
export const firstOf = (what: string, order: string, fits = 'true'): string =>
  `(array_agg(${what} ORDER BY ${order}) FILTER (WHERE ${fits}))[1]`;

/** Returns SQL for a value of the step before, of the same subject, among steps `k` in order. */
export const previous = (what: string): string =>
  `lag(k.${what}) OVER (PARTITION BY k.subject ORDER BY k.place, k.occurred_at, k.event_id)`;

/**
 * Matches the texts of a JSON array. Anything else has none: lax mode would take an object or a single text for a list
 * of one, and numbers for texts. Without `silent`, strict mode would fail on such an event, and events are never removed.
 */
const TEXTS = `'strict $[*] ? (@.type() == "string")', '{}', true`;

/** Returns SQL for a list of permissions in JSON without what is not a text; null only for SQL null. */
export const permissionList = (json: string): string => `jsonb_path_query_array(${json}, ${TEXTS})`;

/** Returns SQL for the texts of a JSON array in order, as JSON; for any other value it is an empty array. */
export const permissionsIn = (json: string, condition: (text: string) => string = () => 'true') =>
  `array_to_json(ARRAY(SELECT p #>> '{}' FROM jsonb_path_query(${json}, ${TEXTS}) AS p
    WHERE ${condition('p')} ORDER BY (p #>> '{}') COLLATE "C"))`;

/** Returns SQL for the id in `staff:<id>`; null if the subject has another form. */
export const staffIdIn = (subject: string): string =>
  `substring(${subject} FROM '^staff:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$')::uuid`;

/**
 * Returns SQL for the instant of an ISO 8601 text in UTC; null if the text has another form. A cast would fail on
 * such a text, and events are never removed: one odd event must not make every later export fail.
 */
export const instantIn = (text: string): string => {
  const part = (from: number, length: number) => `substr(${text}, ${from}, ${length})`;
  const number = (from: number, least = 0) => `${part(from, 2)}::int - ${least}`;
  return `CASE WHEN ${text} ~ '^[1-9]\\d{3}(-\\d\\d){2}T\\d\\d(:\\d\\d){2}\\.\\d{3}Z$'
      THEN (${part(1, 4)} || '-01-01T00:00:00Z')::timestamptz
        + make_interval(0, ${number(6, 1)}, 0, ${number(9, 1)}, ${number(12)}, ${number(15)}, ${part(18, 6)}::float8) END`;
};

/** Returns a condition for events `e` by which a former member became a member again. */
export const isReturn = (e: string): string =>
  `(${e}.action = 'STAFF_CREATED' AND ${e}.details ? 'rejoined')`;

/** Columns that show who asked for a change, who approved it, and for what; from `details`. */
export const provenanceColumns = (details: string): readonly Column[] => [
  ['requested_by', 'text', `(${details}->>'requestedBy')`],
  ['approved_by', 'text', `(${details}->>'approvedBy')`],
  ['ticket', 'text', `(${details}->>'ticket')`],
];
