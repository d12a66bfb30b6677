import { findForeignNumber } from '@/server/audit/verify/jsonNumbers';
import { Auditor, told } from './auditor';
import { Scene } from './scene';

let auditor: Auditor;
let scene: Scene;
const during = (deed: string, undo: string) => auditor.during(deed, undo);

beforeAll(async () => {
  auditor = await Auditor.open();
  scene = auditor.scene;
});

afterAll(() => auditor.close());

describe('the role of an auditor finds', () => {
  it('nothing in a log that nobody touched', async () => {
    expect(await auditor.look()).toEqual([]);
  });

  it('row security that hides an event from it, and that the event is missing', async () => {
    const { event_id: event } = await scene.leaf(21);
    const findings = await during(
      `ALTER TABLE audit_logs ENABLE ROW LEVEL SECURITY; ALTER TABLE audit_logs FORCE ROW LEVEL SECURITY;
       CREATE POLICY hide ON audit_logs USING (id <> '${event}')`,
      'DROP POLICY hide ON audit_logs; ALTER TABLE audit_logs NO FORCE ROW LEVEL SECURITY; ALTER TABLE audit_logs DISABLE ROW LEVEL SECURITY',
    );
    expect(told(findings.filter(({ kind }) => kind === 'row_security'))).toEqual([
      ['row_security', 'audit_logs has row security enabled, has row security forced'],
      ['row_security', 'audit_logs has the policy hide'],
    ]);
    expect(findings).toContainEqual(expect.objectContaining({ kind: 'event_missing', event }));
  });

  it('a policy that waits to be switched on', async () => {
    const findings = await during(
      'CREATE POLICY later ON audit_checkpoints USING (false)',
      'DROP POLICY later ON audit_checkpoints',
    );
    expect(told(findings)).toEqual([['row_security', 'audit_checkpoints has the policy later']]);
  });

  it('an event that was moved into a child of the table, where everybody else still sees it', async () => {
    const { event_id: event } = await scene.leaf(21);
    const findings = await during(
      `CREATE TABLE aside () INHERITS (audit_logs);
       WITH moved AS (DELETE FROM ONLY audit_logs WHERE id = '${event}' RETURNING *) INSERT INTO aside SELECT * FROM moved`,
      'WITH moved AS (DELETE FROM aside RETURNING *) INSERT INTO audit_logs SELECT * FROM moved; DROP TABLE aside',
    );
    expect(findings).toEqual([
      expect.objectContaining({
        kind: 'table_inherits',
        message: 'audit_logs has the child public.aside',
      }),
      expect.objectContaining({ kind: 'event_missing', leaf: 21, event }),
    ]);
  });

  it('a table that became the child of another one', async () => {
    const findings = await during(
      'CREATE TABLE above (log_id uuid NOT NULL); ALTER TABLE audit_nodes INHERIT above',
      'ALTER TABLE audit_nodes NO INHERIT above; DROP TABLE above',
    );
    expect(told(findings)).toEqual([['table_inherits', 'audit_nodes is a child of public.above']]);
  });

  it.each([
    ['audit_logs', 'ON INSERT TO audit_logs DO INSTEAD NOTHING'],
    ['audit_leaves', 'ON DELETE TO audit_leaves DO ALSO SELECT 1'],
    ['tenants', 'ON UPDATE TO tenants DO INSTEAD NOTHING'],
  ])('a rule of %s', async (table, rule) => {
    const findings = await during(`CREATE RULE hush AS ${rule}`, `DROP RULE hush ON ${table}`);
    expect(told(findings)).toEqual([['rewrite_rule', `${table} has the rule hush`]]);
  });

  it.each(['audit_leaves', 'audit_trees', 'tenants'])(
    'a view in the place of %s',
    async (table) => {
      const findings = await during(
        `ALTER TABLE ${table} RENAME TO gone; CREATE VIEW ${table} AS SELECT * FROM gone; GRANT SELECT ON ${table} TO ${auditor.role}`,
        `DROP VIEW ${table}; ALTER TABLE gone RENAME TO ${table}`,
      );
      expect(told(findings)).toEqual([['table_missing', `${table} is not a table`]]);
    },
  );

  it('what was changed though a setting of its own puts other tables and functions before those of the log', async () => {
    const { event_id: event } = await scene.leaf(5);
    await scene.query(
      `CREATE SCHEMA before; CREATE TABLE before.audit_logs AS SELECT * FROM public.audit_logs;
       CREATE FUNCTION before.to_char(timestamp, text) RETURNS text LANGUAGE sql AS 'SELECT ''2000-01-01''';
       GRANT USAGE ON SCHEMA before TO ${auditor.role}; GRANT SELECT ON ALL TABLES IN SCHEMA before TO ${auditor.role};
       ALTER ROLE ${auditor.role} SET search_path = before, public, pg_catalog`,
    );
    const findings = await during(
      `UPDATE public.audit_logs SET country = 'FR' WHERE id = '${event}'`,
      `UPDATE public.audit_logs SET country = 'DE' WHERE id = '${event}'`,
    );
    expect(findings).toEqual([expect.objectContaining({ kind: 'event_changed', event })]);
    await scene.query(`ALTER ROLE ${auditor.role} RESET search_path; DROP SCHEMA before CASCADE`);
  });

  it.each(['1.0', '22.000', '1e2', '9007199254740993', '1e400', '0.10000000000000001'])(
    'a number that was changed into %s, though its leaf has the hash of another',
    async (number) => {
      const { event_id: event } = await scene.leaf(21);
      const n = (value: string) =>
        `UPDATE audit_logs SET details = jsonb_set(details, '{n}', '${value}') WHERE id = '${event}'`;
      const [row] = await scene.query<{ n: string }>(
        `SELECT details->>'n' AS n FROM audit_logs WHERE id = '${event}'`,
      );
      const findings = await during(n(number), n(row?.n ?? ''));
      expect(findings).toHaveLength(1);
      expect(['event_changed', 'number_changed']).toContain(findings[0]?.kind);
      expect(findings[0]).toMatchObject({ leaf: 21, event });
    },
  );

  it('the same number written in another way: the hash alone does not tell', async () => {
    const { event_id: event } = await scene.leaf(21);
    const write = (json: string) =>
      `UPDATE audit_logs SET details = jsonb_set(details, '{n}', (details->>'n' || '${json}')::jsonb) WHERE id = '${event}'`;
    const findings = await during(
      write('.0'),
      `UPDATE audit_logs SET details = jsonb_set(details, '{n}', trunc((details->>'n')::numeric)::text::jsonb) WHERE id = '${event}'`,
    );
    expect(findings).toMatchObject([{ kind: 'number_changed', leaf: 21, event }]);
  });

  it('a number that was foreign when it was sealed: put into the table by hand', async () => {
    const own = await Scene.withLog();
    const [id] = await own.query<{ id: string }>(
      `INSERT INTO audit_logs (action, outcome, actor, correlation_id, details)
       VALUES ('AUTH_LOGOUT', 'success', 'x', 'c', '{"n": 9007199254740993}') RETURNING id`,
    );
    await own.seal();
    expect((await own.findings()).findings).toMatchObject([
      { kind: 'number_changed', event: id?.id },
    ]);
    await own.close();
  });
});

describe('a number that the server wrote', () => {
  it('is never taken for a foreign one, however Postgres writes it', async () => {
    const some = [0, -0, 1, -1, 0.1, -2.5, 1e21, -1.5e-7, 123456789012345680000, 2 ** 53];
    const numbers = [
      ...some,
      5e-324,
      Number.MAX_VALUE,
      Number.MIN_SAFE_INTEGER,
      1 / 3,
      1e-6,
      1e300,
    ];
    const json = JSON.stringify({ 'a "1.0" \\': 'x 1.0', numbers });
    const [row] = await scene.query<{ written: string }>('SELECT $1::jsonb::text AS written', [
      json,
    ]);
    expect(findForeignNumber(row?.written ?? '')).toBeUndefined();
  });

  it.each([
    '1.0',
    '-1.50',
    '9007199254740993',
    '0.30000000000000002',
    '1e400',
    `1${'0'.repeat(400)}`,
  ])('is not %s, which is hashed like another one', async (number) => {
    const [row] = await scene.query<{ written: string }>(
      `SELECT jsonb_build_object('a', $1::jsonb)::text AS written`,
      [number],
    );
    expect(findForeignNumber(row?.written ?? '')).toBeDefined();
  });
});
