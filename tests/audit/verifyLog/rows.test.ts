import { OTHER, Scene, TENANT, newKeys } from './scene';

jest.setTimeout(60_000);

let scene: Scene;

beforeAll(async () => {
  scene = await Scene.withLog();
});

afterAll(() => scene.close());

/** Does something, verifies, and undoes it. */
async function withDeed(deed: string, ...words: string[]) {
  const tables = /\b(audit_\w+)/.exec(deed)?.[1] ?? '';
  await scene.tamper(`CREATE TABLE kept AS SELECT * FROM ${tables}`, deed);
  const found = await scene.findings(...words);
  const overriding = tables === 'audit_checkpoints' ? 'OVERRIDING SYSTEM VALUE' : '';
  await scene.tamper(
    `TRUNCATE ${tables}`,
    `INSERT INTO ${tables} ${overriding} SELECT * FROM kept`,
    'DROP TABLE kept',
  );
  return found;
}

const columnsOf = async (table: string) => {
  const rows = await scene.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [table],
  );
  return rows.map(({ name }) => name);
};

/** Each column, and other values for it. */
const OTHER_VALUES: Readonly<Record<string, readonly string[]>> = {
  id: ['gatehouse_uuid_v7()'],
  tenant_id: [`'${OTHER}'`, 'NULL'],
  occurred_at: [
    `occurred_at + interval '1 millisecond'`,
    `occurred_at - interval '1 year'`,
    `'infinity'`,
    // The same year, day and hour, before the common era: the hashed form writes no era.
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
    const { code, findings } = await withDeed(deed);
    expect(code).toBe(1);
    const kind = column === 'id' ? 'event_missing' : 'event_changed';
    expect(findings).toContainEqual(
      expect.objectContaining({ kind, log: TENANT, leaf: 21, event: id }),
    );
  });

  it('transaction_id, of what is sealed, is no part of the evidence; of what is not, it hides nothing', async () => {
    const [id] = await scene.write(1, TENANT);
    const far = `UPDATE audit_logs SET transaction_id = '3' WHERE id = '${id}'`;
    const { findings } = await withDeed(far);
    expect(findings).toEqual([expect.objectContaining({ kind: 'slipped_in', event: id })]);
    const never = `UPDATE audit_logs SET transaction_id = '99999999', occurred_at = now() - interval '2 minutes' WHERE id = '${id}'`;
    const { kinds } = await withDeed(never);
    expect(kinds).toEqual({ not_sealed: 1 });
    await scene.seal();
    expect((await scene.findings()).kinds).toEqual({});
  });
});

const LEAF = `WHERE log_id = '${TENANT}' AND leaf_index = 21`;
const TREE = `WHERE log_id = '${TENANT}'`;

describe('what is derived from the events cannot be changed unnoticed:', () => {
  it.each([
    [
      'a hash of a leaf',
      `UPDATE audit_leaves SET leaf_hash = sha256('x') ${LEAF}`,
      'event_changed',
    ],
    ['a short hash', `UPDATE audit_leaves SET leaf_hash = '' ${LEAF}`, 'event_changed'],
    [
      'the time of sealing',
      `UPDATE audit_leaves SET sealed_at = sealed_at + interval '1 ms' ${LEAF}`,
      'event_changed',
    ],
    [
      'the era of sealing',
      `UPDATE audit_leaves SET sealed_at = (to_char(sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') || '+00 BC')::timestamptz ${LEAF}`,
      'event_changed',
    ],
    [
      'the event of a leaf',
      `UPDATE audit_leaves SET event_id = gatehouse_uuid_v7() ${LEAF}`,
      'event_missing',
    ],
    ['the place of a leaf', `UPDATE audit_leaves SET leaf_index = 999 ${LEAF}`, 'leaf_gap'],
    [
      'the place of a leaf, below 0',
      `UPDATE audit_leaves SET leaf_index = -1 ${LEAF}`,
      'leaf_extra',
    ],
    [
      'the log of a leaf',
      `UPDATE audit_leaves SET log_id = gatehouse_uuid_v7() ${LEAF}`,
      'tree_missing',
    ],
    ['the size of a tree', `UPDATE audit_trees SET size = size + 1 ${TREE}`, 'tree_size'],
    ['the size of a tree, less', `UPDATE audit_trees SET size = size - 1 ${TREE}`, 'tree_size'],
    ['the peaks of a tree', `UPDATE audit_trees SET peaks = sha256('x') ${TREE}`, 'tree_peaks'],
    [
      'the tenant of a tree',
      `UPDATE audit_trees SET tenant_id = '${OTHER}' ${TREE}`,
      'tree_tenant',
    ],
    [
      'the name of a tree',
      `UPDATE audit_trees SET log_id = gatehouse_uuid_v7() ${TREE}`,
      'tree_missing',
    ],
    [
      'how far a tree is signed',
      `UPDATE audit_trees SET checkpoint_size = 999 ${TREE}`,
      'checkpoint_missing',
    ],
    ['a tree', `DELETE FROM audit_trees ${TREE}`, 'tree_missing'],
    [
      'a stored hash',
      `UPDATE audit_nodes SET hash = sha256('x') ${TREE} AND node_index = 1`,
      'node_wrong',
    ],
    [
      'the level of a stored hash',
      `UPDATE audit_nodes SET level = 5 ${TREE} AND node_index = 1`,
      'node_extra',
    ],
    [
      'the place of a stored hash',
      `UPDATE audit_nodes SET node_index = 77 ${TREE} AND node_index = 1`,
      'node_missing',
    ],
    [
      'a hash that is far away',
      `UPDATE audit_nodes SET node_index = 9000000000000000000, level = 32000 ${TREE} AND node_index = 1`,
      'node_extra',
    ],
    [
      'a hash of no place',
      `UPDATE audit_nodes SET node_index = -5, level = -7 ${TREE} AND node_index = 1`,
      'node_extra',
    ],
    ['a stored hash gone', `DELETE FROM audit_nodes ${TREE} AND node_index = 1`, 'node_missing'],
    [
      'a root of a checkpoint',
      `UPDATE audit_checkpoints SET root_hash = sha256('x') ${TREE} AND size = 30`,
      'checkpoint_changed',
    ],
    [
      'a size of a checkpoint',
      `UPDATE audit_checkpoints SET size = 29 ${TREE} AND size = 30`,
      'checkpoint_changed',
    ],
    [
      'a size of a checkpoint, beyond',
      `UPDATE audit_checkpoints SET size = 300 ${TREE} AND size = 30`,
      'checkpoint_beyond',
    ],
    [
      'a log of a checkpoint',
      `UPDATE audit_checkpoints SET log_id = '${OTHER}' ${TREE} AND size = 30`,
      'checkpoint_signature',
    ],
    [
      'a note',
      `UPDATE audit_checkpoints SET note = replace(note, E'30\\n', E'31\\n') ${TREE} AND size = 30`,
      'checkpoint_signature',
    ],
    [
      'a note that is none',
      `UPDATE audit_checkpoints SET note = '' ${TREE} AND size = 30`,
      'checkpoint_malformed',
    ],
    [
      'a signature',
      `UPDATE audit_checkpoints SET note = left(note, -6) || E'AA==\\n' ${TREE} AND size = 30`,
      'checkpoint_signature',
    ],
    ['how far the sealer has come', `DELETE FROM audit_sealer`, 'sealer_state_missing'],
  ])('%s', async (_what, deed, kind) => {
    const { code, kinds, findings } = await withDeed(deed);
    expect(code).toBe(1);
    expect(kinds).toHaveProperty(kind);
    expect(findings.find((one) => one.kind === kind)?.message).toBeTruthy();
  });

  it('what the sealer is said to have passed is passed', async () => {
    const [id] = await scene.write(1, TENANT);
    const deed = `UPDATE audit_sealer SET sealed = '9000000:9000000:'`;
    const { findings } = await withDeed(deed);
    expect(findings).toEqual([expect.objectContaining({ kind: 'slipped_in', event: id })]);
    await scene.seal();
  });

  it('an event of one tenant in the log of another, by the server’s own code', async () => {
    const own = await Scene.withLog();
    const { event_id: id } = await own.leaf(5, OTHER);
    // The log of a tenant without a tree is begun under the name of another: as a changed server would do it.
    await own.tamper(
      `UPDATE audit_logs SET tenant_id = '${TENANT}' WHERE id = '${id}'`,
      'TRUNCATE audit_leaves, audit_nodes, audit_trees, audit_checkpoints, audit_sealer',
      `UPDATE audit_logs SET tenant_id = '${OTHER}' WHERE tenant_id = '${TENANT}'`,
    );
    await own.seal();
    await own.tamper(
      `UPDATE audit_leaves SET log_id = '${TENANT}'  WHERE log_id = '${OTHER}'`,
      `UPDATE audit_nodes SET log_id = '${TENANT}'  WHERE log_id = '${OTHER}'`,
      `UPDATE audit_trees SET log_id = '${TENANT}', tenant_id = '${TENANT}' WHERE log_id = '${OTHER}'`,
      `DELETE FROM audit_checkpoints WHERE log_id = '${OTHER}'`,
    );
    const { findings, kinds } = await own.findings('--limit', '100');
    expect(kinds).toMatchObject({ wrong_tenant: 60, checkpoint_missing: 1 });
    expect(findings).toContainEqual(
      expect.objectContaining({ kind: 'wrong_tenant', log: TENANT, event: id }),
    );
    await own.close();
  });
});

describe('what guards the log', () => {
  const guards = async (deed: string, undo: string) => {
    await scene.query(deed);
    const { code, findings } = await scene.findings();
    await scene.query(undo);
    expect(code).toBe(1);
    return findings.filter(({ kind }) => kind !== 'slipped_in');
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
    const found = await guards(`${drop}; ${create}`, `${drop}; ${right}`);
    expect(found).toEqual([
      {
        check: 'guards',
        kind: 'trigger_changed',
        message: expect.stringContaining('audit_leaves_append_only on audit_leaves'),
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
    // A second head of one size, signed with the key: one of the two is of another tree.
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
    await own.seal(newKeys());
    await own.close();
  });
});
