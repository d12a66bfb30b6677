/** The columns of an event, where rows of several kinds stand in one set. */
export const EVENT = {
  action: 'text',
  occurred_at: 'timestamptz',
  event_id: 'uuid',
  details: 'jsonb',
} as const;

/** @returns the select list of a row in a set whose columns are `types`; what a row does not say is null */
export const stackedRow =
  <Name extends string>(types: Readonly<Record<Name, string>>) =>
  (values: Partial<Record<Name, string>>): string =>
    (Object.entries(types) as [Name, string][])
      .map(([name, type]) => `(${values[name] ?? 'NULL'})::${type} AS ${name}`)
      .join(', ');

/** An aggregate: what the first row says that fits, where `order` says what is first. */
export const firstOf = (what: string, order: string, fits = 'true'): string =>
  `(array_agg(${what} ORDER BY ${order}) FILTER (WHERE ${fits}))[1]`;

/** What the step before says of the same subject, where steps `k` are replayed in order. */
export const previous = (what: string): string =>
  `lag(k.${what}) OVER (PARTITION BY k.subject ORDER BY k.place, k.occurred_at, k.event_id)`;

/** The texts of a JSON array in order, as JSON; nothing for what is no array. */
export const permissionsIn = (json: string, condition: (text: string) => string = () => 'true') =>
  `array_to_json(ARRAY(SELECT p #>> '{}' FROM jsonb_path_query(${json}, '$[*]') AS p
    WHERE ${condition('p')} ORDER BY (p #>> '{}') COLLATE "C"))`;

/** The id in `staff:<id>`; null where something else stands there. */
export const staffIdIn = (subject: string): string =>
  `substring(${subject} FROM '^staff:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$')::uuid`;

/**
 * The instant that a text of ISO 8601 in UTC names; null for what is none. A cast would fail on it, and no event is ever
 * taken back: one that is odd must not stand in the way of every export to come.
 */
export const instantIn = (text: string): string => {
  const part = (from: number, length: number) => `substr(${text}, ${from}, ${length})`;
  const number = (from: number, least = 0) => `${part(from, 2)}::int - ${least}`;
  return `CASE WHEN ${text} ~ '^[1-9]\\d{3}(-\\d\\d){2}T\\d\\d(:\\d\\d){2}\\.\\d{3}Z$'
      THEN (${part(1, 4)} || '-01-01T00:00:00Z')::timestamptz
        + make_interval(0, ${number(6, 1)}, 0, ${number(9, 1)}, ${number(12)}, ${number(15)}, ${part(18, 6)}::float8) END`;
};
