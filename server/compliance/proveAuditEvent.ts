import { brokenLog, formatTlogProof, hashLeaf, proveInclusion, toLeafEntry } from '../audit';
import type { EventInTree } from '../audit';
import type { Principal } from '../context';
import type { ComplianceDeps } from './deps';
import { AppError } from '../errors';
import { findAuditEvent } from './listAuditLogs';

/** The sealer looks for events once a second. */
const RETRY_AFTER = { 'retry-after': '2' };

export interface InclusionProof {
  /** The entry: exactly the text whose bytes are hashed. */
  event: string;
  leafIndex: number;
  leafHash: string;
  treeSize: number;
  hashes: string[];
  checkpoint: string;
  tlogProof: string;
}

const notSealed = () =>
  new AppError('EVENT_NOT_SEALED', {
    detail: 'The event is written and will be under a checkpoint in about a second.',
    headers: RETRY_AFTER,
  });

/** @throws AppError if no checkpoint covers the event: none yet, an older one was asked for, or none has that size */
function checkpointOf(row: EventInTree, size: number | undefined) {
  const index = row.leaf_index === null ? undefined : Number(row.leaf_index);
  if (index === undefined || row.sealed_at === null || row.leaf_hash === null) throw notSealed();
  if (row.size === null || row.root_hash === null || row.note === null) {
    if (size === undefined) throw notSealed();
    if (size > index) throw new AppError('CHECKPOINT_NOT_FOUND');
    const detail = `A checkpoint of ${size} leaves does not cover the leaf ${index}.`;
    throw new AppError('INVALID_INPUT', { detail });
  }
  const head = { size: Number(row.size), root: row.root_hash };
  return { index, sealedAt: row.sealed_at, leafHash: row.leaf_hash, head, note: row.note };
}

/**
 * Proves that an event of the caller's tenant is in the log, under a checkpoint.
 * @param input `size` is that of an existing checkpoint; undefined for the newest
 * @throws AppError NOT_FOUND; EVENT_NOT_SEALED; CHECKPOINT_NOT_FOUND; INVALID_INPUT if the checkpoint is older than
 * the event; AUDIT_LOG_BROKEN if the event is not the one that was sealed
 */
export async function proveAuditEvent(
  deps: Pick<ComplianceDeps, 'pool'>,
  principal: Principal,
  { id, size }: { id: string; size?: number | undefined },
): Promise<InclusionProof> {
  const row = await findAuditEvent(deps, principal, id, size);
  const { index, sealedAt, leafHash, head, note } = checkpointOf(row, size);
  const event = toLeafEntry({ ...row, leaf_index: index, sealed_at: sealedAt });
  const hash = hashLeaf(Buffer.from(event));
  if (!hash.equals(leafHash))
    throw brokenLog(`event ${row.id} differs from the event that was sealed`);
  const hashes = await proveInclusion(deps.pool, principal.tenantId, { index, hash }, head);
  return {
    event,
    leafIndex: index,
    leafHash: hash.toString('base64'),
    treeSize: head.size,
    hashes: hashes.map((one) => one.toString('base64')),
    checkpoint: note,
    tlogProof: formatTlogProof({ index, hashes, checkpoint: note }),
  };
}
