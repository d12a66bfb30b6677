import type { Pool } from 'pg';
import type { RequestContext } from '../../../context';
import type { Db } from '../../../db';
import { recordAudit } from '../../recordAudit';
import { readHead } from './leafStore';
import { readProgress, readReceiver, setCursor } from './statusStore';
import type { LogProgress, ReceiverState } from './statusStore';

/** The status of a feed, for operators. */
export interface FeedStatus {
  /** Null if nothing was sent yet. */
  readonly receiver: ReceiverState | null;
  readonly behind: number;
  readonly logs: readonly LogProgress[];
}

/** Reads the status of a feed. @param logId only this log; undefined for all */
export async function readFeedStatus(
  pool: Pool,
  sink: string,
  logId?: string,
): Promise<FeedStatus> {
  const logs = await readProgress(pool, sink, logId ?? null);
  const behind = logs.reduce((sum, log) => sum + log.behind, 0);
  return { receiver: (await readReceiver(pool, sink)) ?? null, behind, logs };
}

/**
 * Compares a leaf that a receiver claims to have with the log.
 * @param leaf its index, and the hash that the receiver was sent
 * @returns `ok` if the log has this leaf
 */
export async function checkFeed(
  pool: Pool,
  logId: string,
  leaf: { index: number; hash: string },
): Promise<{ ok: boolean; log: string; leaf: number; hash: string | null }> {
  const { leafHash } = await readHead(pool, logId, leaf.index);
  const hash = leafHash?.toString('base64') ?? null;
  return { ok: hash === leaf.hash, log: logId, leaf: leaf.index, hash };
}

/**
 * Moves a log's cursor, to send events again or to skip some. The move is written into the audit log, because skipped
 * events stay hidden from anyone who watches the receiver.
 * @returns the cursor's former place; undefined if there is no such log or leaf
 */
export function moveFeed(
  deps: { db: Db },
  ctx: RequestContext,
  sink: string,
  { logId, to }: { logId: string; to: number },
): Promise<number | undefined> {
  return deps.db.transaction(async (tx) => {
    const from = await setCursor(tx, sink, logId, to);
    if (from === undefined) return undefined;
    await recordAudit(tx, ctx, {
      action: 'EVENT_FEED_MOVED',
      outcome: 'success',
      tenantId: null,
      subject: `log:${logId}`,
      details: { logId, from, to, via: 'operator' },
    });
    return from;
  });
}
