import type { PoolClient } from 'pg';
import {
  canonicalJson,
  computeSubtreeRoots,
  findCheckpoints,
  originOf,
  proveConsistency,
} from '../audit';
import { listEarlierBundles } from './stretchStore';
import type { Stretch } from './stretchStore';

/** The proofs of a bundle, without its events. They are small, and are read before the first byte is sent. */
export interface BundleProofs {
  readonly leaves: string;
  readonly checkpoint: string;
  readonly consistency: string;
}

const toBase64 = (hash: Buffer): string => hash.toString('base64');

/** Describes the stretch's place in the tree, and the rest of the tree by the roots of complete subtrees. */
async function describeLeaves(client: PoolClient, logId: string, stretch: Stretch) {
  const { head, first, last } = stretch;
  const [before, after] = await computeSubtreeRoots(client, logId, [
    { start: 0, end: first },
    { start: last + 1, end: head.size },
  ]);
  return {
    origin: originOf(logId),
    size: head.size,
    rootHash: toBase64(head.rootHash),
    first,
    last,
    before: (before ?? []).map(toBase64),
    after: (after ?? []).map(toBase64),
  };
}

/** Proves that this log begins with the log of each earlier bundle. */
async function describeGrowth(client: PoolClient, logId: string, { head }: Stretch) {
  const bundles = await listEarlierBundles(client, logId, head.size);
  const sizes = [...new Set(bundles.map(({ size }) => size))];
  const heads = new Map(
    (await findCheckpoints(client, logId, sizes)).map((found) => [found.size, found]),
  );
  const from = [];
  for (const { exportId, size } of bundles) {
    const earlier = heads.get(size);
    if (!earlier) continue;
    const { hashes } = await proveConsistency(client, logId, size, head.size);
    const { note: checkpoint, rootHash } = earlier;
    from.push({
      exportId,
      size,
      rootHash: toBase64(rootHash),
      checkpoint,
      hashes: hashes.map(toBase64),
    });
  }
  return { origin: originOf(logId), size: head.size, rootHash: toBase64(head.rootHash), from };
}

/**
 * Reads the proofs of a bundle.
 * @param client in the export's snapshot
 * @throws AppError AUDIT_LOG_BROKEN if the stored tree is not the one that was signed
 */
export async function gatherProofs(
  client: PoolClient,
  logId: string,
  stretch: Stretch,
): Promise<BundleProofs> {
  return {
    leaves: canonicalJson(await describeLeaves(client, logId, stretch)),
    checkpoint: stretch.head.note,
    consistency: canonicalJson(await describeGrowth(client, logId, stretch)),
  };
}
