import type { Pool } from 'pg';
import { runPrepared } from '../../../db';
import { toLeafEntry } from '../../../../tlog/leaf';
import { EVENT_COLUMNS, SEALED_AT } from '../../log/sealerStore';
import type { EventRow } from '../../log/sealerStore';
import { ocsfLine } from '../../ocsf/ocsfStore';

/** An event as it is sent, with its leaf. */
export interface FeedLine {
  readonly leafIndex: number;
  readonly leafHash: Buffer;
  /** One line of JSON without a line break; undefined if the log has the leaf but the event is gone. */
  readonly text: string | undefined;
}

/** Reads the leaves of a log from one index to before another, in order. */
export type ReadLines = (
  pool: Pool,
  logId: string,
  range: { from: number; below: number; most: number },
) => Promise<FeedLine[]>;

interface LeafRow extends Record<string, unknown> {
  leaf_index: string;
  leaf_hash: Buffer;
  there: boolean;
}

/**
 * The statement is prepared, because it is so long that planning it would take longer than running it for a few
 * events.
 */
function readWith<Row extends LeafRow>(
  format: string,
  columns: string,
  toText: (row: Row) => string,
): ReadLines {
  const statement = {
    name: `event_feed_${format}`,
    text: `SELECT l.leaf_index, l.leaf_hash, e.id IS NOT NULL AS there, ${columns}
      FROM audit_leaves l LEFT JOIN audit_logs e ON e.id = l.event_id
      WHERE l.log_id = $1 AND l.leaf_index >= $2 AND l.leaf_index < $3 ORDER BY l.leaf_index LIMIT $4`,
  };
  return async (pool, logId, { from, below, most }) => {
    const rows = await runPrepared<Row>(pool, statement, [logId, from, below, most]);
    return rows.map((row) => ({
      leafIndex: Number(row.leaf_index),
      leafHash: row.leaf_hash,
      text: row.there ? toText(row) : undefined,
    }));
  };
}

/** Returns the reader of one format. @param release the release that writes the lines */
export function linesOf(format: 'ocsf' | 'json', release: string): ReadLines {
  if (format === 'ocsf') {
    return readWith<LeafRow & { line: string }>(
      format,
      `${ocsfLine(release)} AS line`,
      ({ line }) => line,
    );
  }
  return readWith<LeafRow & EventRow & { sealed_at: string }>(
    format,
    `${EVENT_COLUMNS}, ${SEALED_AT} AS sealed_at`,
    (row) => toLeafEntry({ ...row, leaf_index: Number(row.leaf_index) }),
  );
}

/** The present state of a log. */
export interface LogHead {
  /** The number of leaves under a checkpoint; 0 if the log does not exist. */
  readonly signedSize: number;
  /** The hash of the leaf that was asked about; null if it does not exist. */
  readonly leafHash: Buffer | null;
}

export async function readHead(pool: Pool, logId: string, leafIndex: number): Promise<LogHead> {
  const { rows } = await pool.query<{ size: string; leaf_hash: Buffer | null }>(
    `SELECT coalesce((SELECT checkpoint_size FROM audit_trees WHERE log_id = $1), 0) AS size,
       (SELECT leaf_hash FROM audit_leaves WHERE log_id = $1 AND leaf_index = $2) AS leaf_hash`,
    [logId, leafIndex],
  );
  return { signedSize: Number(rows[0]?.size ?? 0), leafHash: rows[0]?.leaf_hash ?? null };
}
