import {
  brokenLog,
  findCheckpoints,
  listCheckpointsBelow,
  proveConsistency,
  readTreeSize,
} from '../audit';
import type { StoredCheckpoint } from '../audit';
import type { Principal } from '../context';
import type { ComplianceDeps } from './deps';
import { AppError } from '../errors';
import { cutPage, invalidCursor } from '../http/timeCursor';

const showCheckpoint = ({ rootHash, ...checkpoint }: StoredCheckpoint) => ({
  ...checkpoint,
  rootHash: rootHash.toString('base64'),
});

/** A signed head of the caller's log, as the API returns it. */
export type ShownCheckpoint = ReturnType<typeof showCheckpoint>;

/** More leaves than any log ever has. */
const TOP = Number.MAX_SAFE_INTEGER;

const toCursor = ({ size }: StoredCheckpoint) => Buffer.from(`size/${size}`).toString('base64url');

function fromCursor(cursor: string): number {
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  const [, size] = /^size\/(\d{1,15})$/.exec(text) ?? [];
  if (size === undefined) throw invalidCursor();
  return Number(size);
}

/**
 * Lists the checkpoints of the caller's tenant, newest first.
 * @throws AppError INVALID_INPUT if the cursor was not issued by this API
 */
export async function listCheckpoints(
  { pool }: Pick<ComplianceDeps, 'pool'>,
  { tenantId }: Principal,
  { cursor, limit }: { cursor?: string | undefined; limit: number },
): Promise<{ checkpoints: ShownCheckpoint[]; nextCursor: string | null }> {
  const below = cursor === undefined ? TOP : fromCursor(cursor);
  const rows = await listCheckpointsBelow(pool, tenantId, below, limit + 1);
  const { shown, nextCursor } = cutPage(rows, limit, toCursor);
  return { checkpoints: shown.map(showCheckpoint), nextCursor };
}

/**
 * Returns the newest checkpoint of the caller's tenant.
 * @throws AppError CHECKPOINT_NOT_FOUND if nothing has been sealed yet
 */
export async function showLatestCheckpoint(
  { pool }: Pick<ComplianceDeps, 'pool'>,
  { tenantId }: Principal,
): Promise<ShownCheckpoint> {
  const [latest] = await listCheckpointsBelow(pool, tenantId, TOP, 1);
  if (!latest) throw noneYet();
  return showCheckpoint(latest);
}

const noneYet = () =>
  new AppError('CHECKPOINT_NOT_FOUND', { detail: 'Nothing has been sealed in this log yet.' });

export interface ShownConsistency {
  from: number;
  to: number;
  fromRoot: string;
  toRoot: string;
  hashes: string[];
}

/** @throws AppError INVALID_INPUT if the log has not had these sizes, or if `from` is larger than `to` */
function assertSizes(from: number, to: number, size: number): void {
  const wrong = (path: string, message: string) =>
    new AppError('INVALID_INPUT', {
      detail: 'Some fields are not valid.',
      extra: { issues: [{ path, message }] },
    });
  if (to > size) throw wrong('to', `must be at most the number of leaves, ${size}`);
  if (from > to) throw wrong('from', `must be at most to, ${to}`);
}

/**
 * Proves that the caller's log only grew between two sizes.
 * @param sizes any that the log has had; `to` defaults to the size of the newest checkpoint
 * @throws AppError INVALID_INPUT for other sizes; CHECKPOINT_NOT_FOUND if `to` is left out and nothing has been
 * sealed yet; AUDIT_LOG_BROKEN if the tree is not the one that was signed
 */
export async function showConsistency(
  { pool }: Pick<ComplianceDeps, 'pool'>,
  { tenantId }: Principal,
  sizes: { from: number; to?: number | undefined },
): Promise<ShownConsistency> {
  const { size, signed } = await readTreeSize(pool, tenantId);
  const { from, to = signed } = sizes;
  if (sizes.to === undefined && signed === 0) throw noneYet();
  assertSizes(from, to, size);
  const { fromRoot, toRoot, hashes } = await proveConsistency(pool, tenantId, from, to);
  for (const checkpoint of await findCheckpoints(pool, tenantId, [from, to])) {
    const root = checkpoint.size === from ? fromRoot : toRoot;
    if (!checkpoint.rootHash.equals(root)) {
      throw brokenLog(`log ${tenantId} has another root than checkpoint ${checkpoint.id} says`);
    }
  }
  return {
    from,
    to,
    fromRoot: fromRoot.toString('base64'),
    toRoot: toRoot.toString('base64'),
    hashes: hashes.map((hash) => hash.toString('base64')),
  };
}
