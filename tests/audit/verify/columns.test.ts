import { OTHER, Scene, TENANT } from './scene';

let scene: Scene;

beforeAll(async () => {
  scene = await Scene.withLog();
});

afterAll(() => scene.close());

const columnsOf = async (table: string) => {
  const rows = await scene.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [table],
  );
  return rows.map(({ name }) => name);
};

/** Other values for each column. */
const OTHER_VALUES: Readonly<Record<string, readonly string[]>> = {
  id: ['gatehouse_uuid_v7()'],
  tenant_id: [`'${OTHER}'`, 'NULL'],
  occurred_at: [
    `occurred_at + interval '1 millisecond'`,
    `occurred_at - interval '1 year'`,
    `'infinity'`,
    // The same year, day and hour before the common era. The hashed form contains no era.
    `(to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') || '+00 BC')::timestamptz`,
  ],
  action: [`'AUTH_LOGIN_FAILED'`],
  outcome: [`'failure'`],
  actor: [`'system'`, `actor || ' '`],
  subject: [`'session:0'`, 'NULL', `''`],
  on_behalf_of: ['gatehouse_uuid_v7()', 'NULL'],
  session_id: ['gatehouse_uuid_v7()', 'NULL'],
  ip: [`'192.0.2.251'`, 'NULL'],
  country: [`'FR'`, 'NULL'],
  user_agent: [`upper(user_agent)`, 'NULL', `replace(user_agent, 'ü', 'u')`],
  correlation_id: [`'another'`],
  details: [
    `'{}'`,
    `details || '{"n": 99}'`,
    `details - 'nested'`,
    `jsonb_set(details, '{nested,a}', 'false')`,
    `details || '{"__proto__": 1}'`,
    // Too large for a number of JavaScript. It must not be read as null.
    `jsonb_set(details, '{nested,a}', '1e400')`,
    `to_jsonb(details::text)`,
    `'null'`,
  ],
};

describe('a column of audit_logs cannot be changed unnoticed:', () => {
  it('every column is tried, but that by which the sealer finds events', async () => {
    const columns = (await columnsOf('audit_logs')).filter((name) => name !== 'transaction_id');
    expect(columns).toEqual(expect.arrayContaining(Object.keys(OTHER_VALUES)));
    expect(Object.keys(OTHER_VALUES)).toEqual(expect.arrayContaining(columns));
  });

  it.each(
    Object.entries(OTHER_VALUES).flatMap(([column, values]) =>
      values.map((value): [string, string] => [column, value]),
    ),
  )('%s = %s', async (column, value) => {
    const { event_id: id } = await scene.leaf(21);
    const deed = `UPDATE audit_logs SET ${column} = ${value} WHERE id = '${id}'`;
    const { code, findings } = await scene.during(deed);
    expect(code).toBe(1);
    const kind = column === 'id' ? 'event_missing' : 'event_changed';
    expect(findings).toContainEqual(
      expect.objectContaining({ kind, log: TENANT, leaf: 21, event: id }),
    );
  });

  it('transaction_id, of what is sealed, is no part of the evidence; of what is not, it hides nothing', async () => {
    const [id] = await scene.write(1, TENANT);
    const far = `UPDATE audit_logs SET transaction_id = '3' WHERE id = '${id}'`;
    const { findings } = await scene.during(far);
    expect(findings).toEqual([expect.objectContaining({ kind: 'slipped_in', event: id })]);
    const never = `UPDATE audit_logs SET transaction_id = '99999999', occurred_at = now() - interval '2 minutes' WHERE id = '${id}'`;
    const { kinds } = await scene.during(never);
    expect(kinds).toEqual({ not_sealed: 1 });
    await scene.seal();
    expect((await scene.findings()).kinds).toEqual({});
  });
});
