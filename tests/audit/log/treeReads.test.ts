import { hash, randomUUID } from 'node:crypto';
import type { QueryResultRow } from 'pg';
import { GrowingTree, HASH_BYTES } from '@/tlog/merkleTree';
import type { TreeNode } from '@/tlog/merkleTree';
import { proveConsistency, proveInclusion } from '@/server/audit/log/prove';
import { isConsistent, rootFromInclusion } from '@/tlog/treeProofs';
import type { PreparedRunner } from '@/server/db';
import { withConnection } from '@/tests/helpers/database/askDatabase';
import { buildApp } from '@/tests/helpers/server/testApp';
import {
  AUDIT_TRIGGERS_OFF,
  AUDIT_TRIGGERS_ON,
  withoutAuditTriggers,
} from '@/tests/helpers/database/auditTriggers';

const LEAVES = 70_000;
const LOG = randomUUID();
const { deps } = buildApp();
const url = () => process.env['DATABASE_URL'] ?? '';

const leafHash = (index: number) => hash('sha256', `leaf ${index}`, 'buffer');
/** The sizes at which roots are compared, with the roots of a tree that grew past them. */
const SIZES = [1, 15, 16, 17, 255, 256, 257, 4095, 4097, 65_535, 65_536, 65_537, 69_999, LEAVES];
const roots = new Map<number, Buffer>();

function growTree(): TreeNode[] {
  const tree = GrowingTree.empty();
  const nodes: TreeNode[] = [];
  for (let index = 0; index < LEAVES; index += 1) {
    nodes.push(...tree.append(leafHash(index)));
    if (SIZES.includes(tree.size)) roots.set(tree.size, tree.root());
  }
  return nodes;
}

const headAt = (size: number) => ({ size, root: roots.get(size) ?? Buffer.alloc(0) });

/** The pool, with counts of its queries and rows. */
function createMeter() {
  const spent = { questions: 0, rows: 0 };
  const runner: PreparedRunner = {
    async query<Row extends QueryResultRow>(query: {
      name: string;
      text: string;
      values: unknown[];
    }) {
      const result = await deps.pool.query<Row>(query);
      spent.questions += 1;
      spent.rows += result.rows.length;
      return result;
    },
  };
  return { runner, spent };
}

beforeAll(async () => {
  const nodes = growTree();
  await withConnection(url(), async (client) => {
    await client.query(
      `INSERT INTO audit_leaves (log_id, leaf_index, event_id, sealed_at, leaf_hash)
       SELECT $1, n, gen_random_uuid(), now(), sha256(convert_to('leaf ' || n, 'UTF8')) FROM generate_series(0, $2::int - 1) n`,
      [LOG, LEAVES],
    );
    await client.query(
      `INSERT INTO audit_nodes (log_id, level, node_index, hash)
       SELECT $1, * FROM unnest($2::smallint[], $3::bigint[], $4::bytea[])`,
      [
        LOG,
        nodes.map(({ level }) => level),
        nodes.map(({ index }) => index),
        nodes.map((node) => node.hash),
      ],
    );
    await client.query('ANALYZE');
  });
});

/** Both ends, both sides of the edges of every stored level, and some between. */
const INDEXES = [0, 1, 15, 16, 255, 256, 4095, 4096, 31_337, 65_535, 65_536, 69_999];
/**
 * 15 for each of the levels 0, 4, 8, 12 and 16, and as many at the right end. The reader's comment
 * gives this limit.
 */
const MOST_ROWS = 2 * 5 * 15;

describe(`in a tree of ${LEAVES} leaves`, () => {
  it('an inclusion proof takes one question and few rows by key, and leads to the root of every size', async () => {
    let most = 0;
    for (const size of SIZES) {
      for (const index of INDEXES.filter((one) => one < size)) {
        const { runner, spent } = createMeter();
        const leaf = { index, hash: leafHash(index) };
        const proof = await proveInclusion(runner, LOG, leaf, headAt(size));
        expect(rootFromInclusion(leaf.hash, index, size, proof)).toEqual(roots.get(size));
        expect(spent.questions).toBeLessThanOrEqual(1);
        expect(proof.length).toBeLessThanOrEqual(Math.ceil(Math.log2(size)));
        most = Math.max(most, spent.rows);
      }
    }
    expect(most).toBeLessThanOrEqual(MOST_ROWS);
    // With fewer rows than the proof has hashes, the count would be wrong.
    expect(most).toBeGreaterThan(17);
  });

  it('a consistency proof takes one question and few rows, and holds between every two sizes', async () => {
    for (const to of SIZES) {
      for (const from of [0, ...SIZES.filter((size) => size <= to)]) {
        const { runner, spent } = createMeter();
        const { fromRoot, toRoot, hashes } = await proveConsistency(runner, LOG, from, to);
        if (from > 0) expect(fromRoot).toEqual(roots.get(from));
        expect(toRoot).toEqual(roots.get(to));
        const [earlier, later] = [
          { size: from, root: fromRoot },
          { size: to, root: toRoot },
        ];
        expect(isConsistent(earlier, later, hashes)).toBe(true);
        expect(spent.questions).toBe(1);
        expect(spent.rows).toBeLessThanOrEqual(MOST_ROWS);
      }
    }
  });

  it('reads them by primary key, whatever the values', async () => {
    const sent: { text: string; values: unknown[] }[] = [];
    const runner = {
      query: (query: { name: string; text: string; values: unknown[] }) => {
        sent.push(query);
        return deps.pool.query(query);
      },
    } as PreparedRunner;
    await proveInclusion(runner, LOG, { index: 5, hash: leafHash(5) }, headAt(LEAVES));
    const [{ text, values } = { text: '', values: [] }] = sent;
    const nothing = values.map(() => 'NULL').join(', ');
    const told = await withConnection(url(), async (client) => {
      // Postgres 14 and 15 do not know EXPLAIN (GENERIC_PLAN).
      await client.query(`SET plan_cache_mode = force_generic_plan; PREPARE read AS ${text}`);
      const plan = await client.query(`EXPLAIN (FORMAT JSON) EXECUTE read(${nothing})`);
      return JSON.stringify(plan.rows);
    });
    expect(told).not.toContain('Seq Scan');
    expect(told).toContain('audit_leaves_log_id_leaf_index_pk');
    expect(told).toContain('audit_nodes_log_id_level_node_index_pk');
  });

  it.each([
    ['a leaf that was changed', 'audit_leaves', 'leaf_hash', 'leaf_index = 4'],
    ['a node that was changed', 'audit_nodes', 'hash', 'level = 4 AND node_index = 1'],
    ['a node higher up that was changed', 'audit_nodes', 'hash', 'level = 16 AND node_index = 0'],
  ])('finds %s instead of proving what is not so', async (_name, table, column, where) => {
    const prove = () =>
      table === 'audit_nodes' && where.includes('16')
        ? proveInclusion(deps.pool, LOG, { index: 69_999, hash: leafHash(69_999) }, headAt(LEAVES))
        : proveInclusion(deps.pool, LOG, { index: 5, hash: leafHash(5) }, headAt(LEAVES));
    const set = (value: string) =>
      withConnection(url(), async (client) => {
        await client.query(
          withoutAuditTriggers(
            `UPDATE ${table} SET ${column} = ${value} WHERE log_id = '${LOG}' AND ${where}`,
          ),
        );
      });
    await expect(prove()).resolves.toBeDefined();
    const flip = `set_byte(${column}, 0, 255 - get_byte(${column}, 0))`;
    await set(flip);
    await expect(prove()).rejects.toMatchObject({ code: 'AUDIT_LOG_BROKEN' });
    await set(flip);
    await expect(prove()).resolves.toBeDefined();
  });

  it('finds what was deleted, or cut short', async () => {
    const prove = () =>
      proveInclusion(deps.pool, LOG, { index: 5, hash: leafHash(5) }, headAt(LEAVES));
    await withConnection(url(), async (client) => {
      await client.query(AUDIT_TRIGGERS_OFF);
      const node = `log_id = '${LOG}' AND level = 4 AND node_index = 2`;
      const { rows } = await client.query<{ hash: Buffer }>(
        `SELECT hash FROM audit_nodes WHERE ${node}`,
      );
      expect(rows[0]?.hash).toHaveLength(HASH_BYTES);
      await client.query(`UPDATE audit_nodes SET hash = substr(hash, 2) WHERE ${node}`);
      await expect(prove()).rejects.toMatchObject({ code: 'AUDIT_LOG_BROKEN' });
      await client.query(`DELETE FROM audit_nodes WHERE ${node}`);
      await client.query(AUDIT_TRIGGERS_ON);
      await expect(prove()).rejects.toMatchObject({ code: 'AUDIT_LOG_BROKEN' });
    });
  });
});
