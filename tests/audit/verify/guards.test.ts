import { Scene, TENANT } from './scene';

let scene: Scene;

beforeAll(async () => {
  scene = await Scene.withLog();
});

afterAll(() => scene.close());

describe('what guards the log', () => {
  const guards = async (deed: string, undo: string) => {
    await scene.query(deed);
    const { code, findings } = await scene.findings();
    await scene.query(undo);
    expect(code).toBe(1);
    return findings;
  };

  it.each([
    [
      'refuses less',
      `CREATE TRIGGER audit_leaves_append_only BEFORE DELETE ON audit_leaves FOR EACH STATEMENT EXECUTE FUNCTION audit_trees_refuse_change()`,
    ],
    [
      'never fires',
      `CREATE TRIGGER audit_leaves_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_leaves FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION audit_trees_refuse_change()`,
    ],
    [
      'does something else',
      `CREATE TRIGGER audit_leaves_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_leaves FOR EACH STATEMENT EXECUTE FUNCTION audit_logs_set_transaction()`,
    ],
  ])('is found where a trigger %s', async (_what, create) => {
    const drop = 'DROP TRIGGER audit_leaves_append_only ON audit_leaves';
    const right = `CREATE TRIGGER audit_leaves_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_leaves FOR EACH STATEMENT EXECUTE FUNCTION audit_trees_refuse_change()`;
    const always = 'ALTER TABLE audit_leaves ENABLE ALWAYS TRIGGER audit_leaves_append_only';
    const found = await guards(`${drop}; ${create}; ${always}`, `${drop}; ${right}; ${always}`);
    expect(found).toEqual([
      {
        check: 'guards',
        kind: 'trigger_changed',
        message: expect.stringContaining('audit_leaves_append_only on audit_leaves'),
      },
    ]);
  });

  it('is found where a trigger would not run with session_replication_role = replica', async () => {
    const found = await guards(
      'ALTER TABLE audit_logs ENABLE TRIGGER audit_logs_append_only',
      'ALTER TABLE audit_logs ENABLE ALWAYS TRIGGER audit_logs_append_only',
    );
    expect(found).toEqual([
      {
        check: 'guards',
        kind: 'trigger_changed',
        message: expect.stringContaining('ENABLE ALWAYS TRIGGER'),
      },
    ]);
  });

  it('is found where a setting of the database switches triggers off', async () => {
    const name = new URL(scene.url).pathname.slice(1);
    const found = await guards(
      `ALTER DATABASE ${name} SET session_replication_role = replica`,
      `ALTER DATABASE ${name} RESET session_replication_role`,
    );
    expect(found.map(({ kind, message }) => [kind, message])).toEqual([
      ['triggers_bypassed', expect.stringContaining('for this connection')],
      ['triggers_bypassed', expect.stringContaining(`for database ${name}`)],
    ]);
  });

  it('is found where a key is gone, and so is the row that it let in', async () => {
    const own = await Scene.withLog();
    const { event_id: id } = await own.leaf(5);
    await own.tamper(
      'ALTER TABLE audit_leaves DROP CONSTRAINT audit_leaves_log_id_leaf_index_pk, DROP CONSTRAINT audit_leaves_event_id_unique',
      `INSERT INTO audit_leaves SELECT * FROM audit_leaves WHERE log_id = '${TENANT}' AND leaf_index = 5`,
      'ALTER TABLE audit_checkpoints DROP CONSTRAINT audit_checkpoints_size_unique',
    );
    // A second checkpoint of the same size, signed with the key. One of the two is of another tree.
    const fork = await own.copy();
    await fork.tamper(
      `UPDATE audit_logs SET actor = 'x' WHERE id = '${id}'`,
      'TRUNCATE audit_leaves, audit_nodes, audit_trees, audit_checkpoints, audit_sealer',
    );
    await fork.seal();
    await own.query(
      `INSERT INTO audit_checkpoints (log_id, size, root_hash, note) VALUES ($1, 40, sha256('x'), $2)`,
      [TENANT, await fork.newestCheckpoint()],
    );
    const { findings, kinds } = await own.findings();
    expect(kinds).toEqual({
      constraint_missing: 3,
      leaf_extra: 1,
      checkpoint_changed: 1,
      checkpoint_root: 1,
    });
    expect(findings).toContainEqual(
      expect.objectContaining({ kind: 'leaf_extra', leaf: 5, event: id }),
    );
    await Promise.all([own.close(), fork.close()]);
  });

  it.each(['audit_nodes', 'audit_sealer', 'audit_logs'])(
    'is found where %s is gone',
    async (table) => {
      const own = await Scene.withLog();
      await own.query(`ALTER TABLE ${table} RENAME TO gone`);
      const gone = await own.verify();
      expect(gone.code).toBe(1);
      expect(gone.stdout).toContain(`table_missing  table ${table} is missing`);
      expect(gone.stdout).toMatch(/^-- +checkpoints +not checked: tables are missing$/m);
      await own.query(`CREATE VIEW ${table} AS SELECT * FROM gone`);
      expect((await own.verify()).stdout).toContain(`table_missing  ${table} is not a table`);
      await own.close();
    },
  );

  it.each([
    ['audit_logs', 'audit_logs_append_only'],
    ['audit_logs', 'audit_logs_transaction'],
    ['audit_leaves', 'audit_leaves_append_only'],
    ['audit_nodes', 'audit_nodes_append_only'],
    ['audit_checkpoints', 'audit_checkpoints_append_only'],
    ['audit_trees', 'audit_trees_kept'],
    ['evidence_keys', 'evidence_keys_append_only'],
  ])('is found where a trigger of %s is switched off or gone: %s', async (table, trigger) => {
    const [row] = await scene.query<{ made: string }>(
      'SELECT pg_get_triggerdef(oid) AS made FROM pg_trigger WHERE tgname = $1',
      [trigger],
    );
    for (const how of ['DISABLE', 'ENABLE REPLICA']) {
      const found = await guards(
        `ALTER TABLE ${table} ${how} TRIGGER ${trigger}`,
        `ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${trigger}`,
      );
      const message = `trigger ${trigger} on ${table} is disabled`;
      expect(found).toEqual([{ check: 'guards', kind: 'trigger_disabled', message }]);
    }
    const found = await guards(
      `DROP TRIGGER ${trigger} ON ${table}`,
      `${row?.made ?? ''}; ALTER TABLE ${table} ENABLE ALWAYS TRIGGER ${trigger}`,
    );
    const message = `trigger ${trigger} on ${table} is missing`;
    expect(found).toEqual([{ check: 'guards', kind: 'trigger_missing', message }]);
  });

  it('is not deceived by tables that stand before those of the log', async () => {
    const own = await Scene.withLog();
    const name = new URL(own.url).pathname.slice(1);
    await own.query(
      `CREATE SCHEMA before; CREATE TABLE before.audit_logs AS SELECT * FROM public.audit_logs;
       ALTER DATABASE ${name} SET search_path = before, public`,
    );
    const { event_id: id } = await own.leaf(5);
    await own.tamper(`UPDATE public.audit_logs SET actor = 'x' WHERE id = '${id}'`);
    expect((await own.findings()).kinds).toEqual({ event_changed: 1 });
    await own.close();
  });
});
