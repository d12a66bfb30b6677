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

/** The texts of a JSON array in order, as JSON; nothing for what is no array. */
export const permissionsIn = (json: string, condition: (text: string) => string = () => 'true') =>
  `array_to_json(ARRAY(SELECT p #>> '{}' FROM jsonb_path_query(${json}, '$[*]') AS p
    WHERE ${condition('p')} ORDER BY (p #>> '{}') COLLATE "C"))`;

/** The id in `staff:<id>`; null where something else stands there. */
export const staffIdIn = (subject: string): string =>
  `substring(${subject} FROM '^staff:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$')::uuid`;
