import { Auditor, told } from './auditor';

let auditor: Auditor;
const during = (deed: string, undo: string) => auditor.during(deed, undo);

beforeAll(async () => {
  auditor = await Auditor.open();
});

afterAll(() => auditor.close());

const trigger = (table: string, when: string, calls = 'audit_trees_refuse_change()') =>
  `CREATE TRIGGER ${table}_append_only ${when} EXECUTE FUNCTION ${calls}`;

describe('the role of an auditor finds', () => {
  it.each([
    ['audit_logs', 'BEFORE INSERT ON audit_logs FOR EACH ROW'],
    ['audit_leaves', 'AFTER INSERT ON audit_leaves FOR EACH STATEMENT'],
    ['audit_trees', 'BEFORE UPDATE ON audit_trees FOR EACH ROW'],
    ['audit_sealer', 'BEFORE UPDATE OF sealed ON audit_sealer FOR EACH ROW'],
    ['tenants', 'BEFORE UPDATE ON tenants FOR EACH ROW'],
  ])('a trigger of %s that comes from no migration', async (table, when) => {
    const make = `CREATE FUNCTION hush() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
      CREATE TRIGGER hush ${when} EXECUTE FUNCTION hush()`;
    const drop = 'DROP FUNCTION hush CASCADE';
    const message = `trigger hush on ${table} comes from no migration: it can drop or change rows as they are written`;
    expect(told(await during(make, drop))).toEqual([['trigger_extra', message]]);
    const off = `ALTER TABLE ${table} DISABLE TRIGGER hush`;
    expect(told(await during(`${make}; ${off}`, drop))).toEqual([['trigger_extra', message]]);
  });

  it('a trigger that swallows failed logins alone', async () => {
    const findings = await during(
      `CREATE FUNCTION hush() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
       CREATE TRIGGER hush BEFORE INSERT ON audit_logs FOR EACH ROW WHEN (NEW.action = 'AUTH_LOGIN_FAILED') EXECUTE FUNCTION hush()`,
      'DROP FUNCTION hush CASCADE',
    );
    expect(findings).toMatchObject([{ kind: 'trigger_extra' }]);
  });

  it.each([
    ['one column', 'BEFORE DELETE OR UPDATE OF key_id OR TRUNCATE ON evidence_keys'],
    ['some statements', 'BEFORE DELETE OR TRUNCATE ON evidence_keys'],
    ['a condition', 'BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence_keys', 'WHEN (false)'],
    ['a later moment', 'AFTER UPDATE OR DELETE OR TRUNCATE ON evidence_keys'],
  ])('an append-only trigger that is narrowed to %s', async (_what, when, condition = '') => {
    const drop = 'DROP TRIGGER evidence_keys_append_only ON evidence_keys';
    const right = 'BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence_keys FOR EACH STATEMENT';
    const always = 'ALTER TABLE evidence_keys ENABLE ALWAYS TRIGGER evidence_keys_append_only';
    const findings = await during(
      `${drop}; ${trigger('evidence_keys', `${when} FOR EACH STATEMENT ${condition}`)}; ${always}`,
      `${drop}; ${trigger('evidence_keys', right)}; ${always}`,
    );
    expect(told(findings)).toEqual([
      ['trigger_changed', expect.stringContaining('evidence_keys_append_only on evidence_keys')],
    ]);
  });

  it.each(['audit_logs_refuse_change', 'audit_trees_refuse_change', 'audit_logs_set_transaction'])(
    'that the function %s was changed, though its triggers are as they were',
    async (name) => {
      const [row] = await auditor.scene.query<{ made: string }>(
        'SELECT pg_get_functiondef($1::regproc) AS made',
        [`public.${name}`],
      );
      const made = row?.made ?? '';
      const lax = made.replace(
        'BEGIN',
        'BEGIN IF current_user = session_user THEN RETURN NEW; END IF;',
      );
      for (const changed of [lax, made.replace('plpgsql', 'plpgsql SET search_path TO aside')]) {
        expect(changed).not.toBe(made);
        const findings = await during(changed, `ALTER FUNCTION ${name} RESET ALL; ${made}`);
        expect(new Set(findings.map(({ kind }) => kind))).toEqual(new Set(['trigger_changed']));
        expect(findings[0]?.message).toContain(`function ${name}`);
      }
      expect(await auditor.look()).toEqual([]);
    },
  );

  it.each([
    ['origin', 'user'],
    // In this database alone: on the whole server, the schema checks of other databases report it.
    ['local', 'database user'],
  ])(
    'that a setting of the role hides what the server has for everybody else: %s, of the %s',
    async (value, whose) => {
      const name = new URL(auditor.scene.url).pathname.slice(1);
      const scope = whose === 'user' ? '' : ` IN DATABASE ${name}`;
      const set = `ALTER ROLE ${auditor.role}${scope}`;
      const findings = await during(
        `${set} SET session_replication_role TO ${value}`,
        `${set} RESET session_replication_role`,
      );
      expect(findings).toEqual([
        {
          check: 'guards',
          kind: 'setting_hidden',
          message: expect.stringContaining(`is set for this connection by its ${whose}`),
        },
      ]);
      expect(await auditor.look()).toEqual([]);
    },
  );

  it.each(['replica', 'Replica', 'REPLICA'])(
    'that a role or the database switches triggers off, however it is written: %s',
    async (value) => {
      const name = new URL(auditor.scene.url).pathname.slice(1);
      const findings = await during(
        `ALTER ROLE ${auditor.role} IN DATABASE ${name} SET session_replication_role TO '${value}'`,
        `ALTER ROLE ${auditor.role} IN DATABASE ${name} RESET session_replication_role`,
      );
      expect(findings).toContainEqual({
        check: 'guards',
        kind: 'triggers_bypassed',
        message: expect.stringContaining(`role ${auditor.role} in database ${name}`),
      });
    },
  );
});
