import { parseCheckpoint } from '../tlog/checkpoint';
import type { Checkpoint } from '../tlog/checkpoint';
import { isConsistent } from '../tlog/treeProofs';
import type { Believers } from '../tlog/believedKeys';
import type { Report } from './bundleFindings';
import type { LogStretch } from './readManifest';
import { decodeText, FormError, parseCanonical } from './members';
import type { Members } from './members';

/** The head of an earlier bundle, and the proof that the log begins with it. */
export interface ProvenHead {
  readonly exportId: string;
  readonly checkpoint: Checkpoint;
  readonly hashes: readonly Buffer[];
}

const isSame = (one: LogStretch, other: Checkpoint | LogStretch): boolean =>
  one.origin === other.origin && one.size === other.size && one.root.equals(other.root);

/** Checks checkpoint.txt: the head that everything in the bundle is compared with. */
export function checkCheckpoint(
  bytes: Buffer,
  log: LogStretch,
  believers: Believers,
  report: Report,
): void {
  const file = 'checkpoint.txt';
  const checkpoint = parseCheckpoint(decodeText(bytes) ?? '');
  if (!checkpoint) {
    report({ kind: 'checkpoint_malformed', file, message: 'it is not a signed checkpoint' });
    return;
  }
  if (!isSame(log, checkpoint)) {
    const { origin, size } = checkpoint;
    const message = `it belongs to ${origin} with ${size} events, and has another root, size or origin than the manifest`;
    report({ kind: 'checkpoint_differs', file, message });
  }
  const objection = believers.objectionTo(checkpoint.origin, checkpoint.note);
  if (objection !== undefined) report({ kind: 'checkpoint_signature', file, message: objection });
}

function readHead(head: Members, origin: string): ProvenHead {
  const exportId = head.text('exportId');
  const checkpoint = parseCheckpoint(head.text('checkpoint'));
  const isRight =
    checkpoint?.origin === origin &&
    checkpoint.size === head.count('size') &&
    checkpoint.root.equals(head.hash('rootHash'));
  if (!checkpoint || !isRight) {
    throw new FormError(
      `the checkpoint of export ${exportId} has another log, size or root than consistency.json says`,
    );
  }
  return { exportId, checkpoint, hashes: head.hashes('hashes') };
}

/**
 * @throws FormError if consistency.json is malformed, or is about another head than the bundle's
 */
export function readGrowth(bytes: Buffer, log: LogStretch): ProvenHead[] {
  const growth = parseCanonical(bytes);
  const isAbout =
    growth.text('origin') === log.origin &&
    growth.count('size') === log.size &&
    growth.hash('rootHash').equals(log.root);
  if (!isAbout) throw new FormError('it has another head than the manifest');
  return growth.objects('from').map((head) => readHead(head, log.origin));
}

/**
 * Returns whether a log begins with an earlier head. A proof for more events than the log has
 * proves nothing.
 */
export const isProven = ({ checkpoint, hashes }: ProvenHead, log: LogStretch): boolean =>
  isConsistent(checkpoint, log, hashes);

/**
 * Checks that the log grew from the head of each earlier bundle.
 * @param rootAt returns the root that the leaves of this bundle give for a size
 * @returns how many heads are signed by keys that are not believed; keys change, so this proves
 *   nothing against the bundle
 */
export function checkGrowth(
  heads: readonly ProvenHead[],
  log: LogStretch,
  context: {
    readonly believers: Believers;
    readonly rootAt: (size: number) => Buffer | undefined;
    readonly report: Report;
  },
): number {
  const { believers, rootAt, report } = context;
  const file = 'consistency.json';
  let unknown = 0;
  for (const [index, head] of heads.entries()) {
    const { checkpoint, exportId } = head;
    const row = index + 1;
    const what = `the head of export ${exportId} (${checkpoint.size} events)`;
    const objection = believers.objectionTo(checkpoint.origin, checkpoint.note);
    const isStrange = checkpoint.note.signatures.every(
      ({ keyId }) => !believers.knows(checkpoint.origin, keyId),
    );
    if (objection !== undefined && isStrange) unknown += 1;
    else if (objection !== undefined) {
      const message = `${what}: ${objection}`;
      report({ kind: 'consistency_signature', file, row, message });
    }
    if (!isProven(head, log)) {
      const message = `${what}: the proof does not lead from it to the root of this bundle`;
      report({ kind: 'consistency_proof', file, row, message });
    }
    const root = rootAt(checkpoint.size);
    if (root && !root.equals(checkpoint.root)) {
      const message = `${what}: the leaves of this bundle lead to another root`;
      report({ kind: 'consistency_proof', file, row, message });
    }
  }
  return unknown;
}
