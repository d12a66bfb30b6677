import { OTHER, Scene, TENANT } from './scene';

let scene: Scene;

beforeAll(async () => {
  scene = await Scene.withLog();
});

afterAll(() => scene.close());

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
    const { code, kinds, findings } = await scene.during(deed);
    expect(code).toBe(1);
    expect(kinds).toHaveProperty(kind);
    expect(findings.find((one) => one.kind === kind)?.message).toBeTruthy();
  });

  it('what the sealer is said to have passed is passed', async () => {
    const [id] = await scene.write(1, TENANT);
    const deed = `UPDATE audit_sealer SET sealed = '9000000:9000000:'`;
    const { findings } = await scene.during(deed);
    expect(findings).toEqual([expect.objectContaining({ kind: 'slipped_in', event: id })]);
    await scene.seal();
  });

  it('an event of one tenant in the log of another, by the server’s own code', async () => {
    const own = await Scene.withLog();
    const { event_id: id } = await own.leaf(5, OTHER);
    // The log of a tenant without a tree is started under the name of another, as a changed server
    // could do.
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
