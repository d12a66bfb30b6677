import { runPrepared } from '../../db';
import type { PreparedRunner, PreparedStatement } from '../../db';
import { AppError } from '../../errors';
import { HASH_BYTES, LEVEL_STEP, hashNode } from '../../../tlog/merkleTree';
import type { Place, ReadRoots } from '../../../tlog/treeProofs';

/** Creates the error for the caller; `where` names the broken part, for the server's log only. */
export const brokenLog = (where: string): AppError =>
  new AppError('AUDIT_LOG_BROKEN', {
    detail:
      'The data in the database does not lead to the signed checkpoint. Keep your checkpoints and inform your auditor.',
    cause: new Error(where),
  });

/** Reads both tables in one statement, all by primary key. */
const READ_NODES: PreparedStatement = {
  name: 'audit_tree_nodes',
  text: `SELECT 0 AS level, leaf_index AS index, leaf_hash AS hash FROM audit_leaves
      WHERE log_id = $1 AND leaf_index = ANY ($2::bigint[])
    UNION ALL
    SELECT n.level, n.node_index, n.hash FROM unnest($3::smallint[], $4::bigint[]) AS wanted (level, index)
      JOIN audit_nodes n ON n.log_id = $1 AND n.level = wanted.level AND n.node_index = wanted.index`,
};

const nameOf = ({ level, index }: Place): string => `${level}/${index}`;

/** Returns the adjacent stored subtrees that a subtree consists of: 1, 2, 4 or 8. */
function keptIn({ level, index }: Place): Place[] {
  const above = level % LEVEL_STEP;
  const count = 2 ** above;
  return Array.from({ length: count }, (_, at) => ({
    level: level - above,
    index: index * count + at,
  }));
}

/** Returns the root above adjacent roots, whose number is a power of two. */
function joinRoots(roots: readonly Buffer[]): Buffer {
  let row = roots;
  while (row.length > 1) {
    row = row
      .filter((_, at) => at % 2 === 0)
      .map((left, at) => hashNode(left, row[2 * at + 1] ?? left));
  }
  return row[0] as Buffer;
}

/**
 * Creates a reader of the roots of complete subtrees of a log, at any level. Each call runs one statement. It reads
 * at most 15 rows for each stored level that an inclusion proof passes, and as many again if the tree's right end is
 * not full.
 * @throws AppError AUDIT_LOG_BROKEN, when reading, if a hash is missing that the tree had at that size
 */
export function createTreeReader(runner: PreparedRunner, logId: string): ReadRoots {
  return async (places) => {
    const wanted = new Map(places.flatMap(keptIn).map((place) => [nameOf(place), place]));
    if (wanted.size === 0) return [];
    const leaves = [...wanted.values()].filter(({ level }) => level === 0);
    const nodes = [...wanted.values()].filter(({ level }) => level > 0);
    const rows = await runPrepared<{ level: number; index: string; hash: Buffer }>(
      runner,
      READ_NODES,
      [
        logId,
        leaves.map(({ index }) => index),
        nodes.map(({ level }) => level),
        nodes.map(({ index }) => index),
      ],
    );
    const found = new Map(rows.map(({ level, index, hash }) => [`${level}/${index}`, hash]));
    const rootOf = (place: Place): Buffer => {
      const hash = found.get(nameOf(place));
      if (hash?.length === HASH_BYTES) return hash;
      throw brokenLog(`the tree of log ${logId} lacks the node ${nameOf(place)}`);
    };
    return places.map((place) => joinRoots(keptIn(place).map(rootOf)));
  };
}
