import { isConsistent } from '../tlog/treeProofs';
import type { TreeHead } from '../tlog/treeProofs';
import type { BundleSource } from './bundleSource';
import { CannotVerifyError } from './cannotVerify';
import { decodeText, FormError, Members } from './members';

/**
 * A proof that a log of one size begins with the log of another size: the answer of GET
 * /api/compliance/consistency.
 */
export interface GrowthProof {
  readonly name: string;
  readonly from: TreeHead;
  readonly to: TreeHead;
  readonly hashes: readonly Buffer[];
}

const MOST_PROOF_BYTES = 1_048_576;

function parseProof(name: string, text: string): GrowthProof {
  let value: unknown;
  try {
    // Windows programs write a byte order mark at the start of a UTF-8 file.
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    throw new FormError('it is no JSON');
  }
  const proof = Members.of(value);
  const head = (end: 'from' | 'to'): TreeHead => ({
    size: proof.count(end),
    root: proof.hash(`${end}Root`),
  });
  return { name, from: head('from'), to: head('to'), hashes: proof.hashes('hashes') };
}

/**
 * Reads a proof of consistency. It needs no signature: it is only used if it leads from one known
 * root to another.
 * @throws CannotVerifyError if it is no such proof
 */
export async function readGrowthProof(source: BundleSource): Promise<GrowthProof> {
  const { name, size } = source;
  const fail = (because: string) =>
    new CannotVerifyError(
      `${name} is not a proof of consistency as GET /api/compliance/consistency returns it: ${because}.`,
    );
  if (size > MOST_PROOF_BYTES) throw fail('it is far too long');
  const text = decodeText(await source.read(0, size));
  if (text === undefined) throw fail('it is not UTF-8');
  try {
    return parseProof(name, text);
  } catch (error) {
    throw error instanceof FormError ? fail(error.message) : error;
  }
}

/** The result of a proof for a signed head; `undefined` means that it shows nothing. */
type Relation = 'same' | 'other' | undefined;

/**
 * Relates a signed head to a bundle by one proof.
 * @param rootBy returns the root that the bundle gives for a size
 */
function relateBy(
  head: TreeHead,
  { from, to, hashes }: GrowthProof,
  rootBy: (size: number) => Buffer | undefined,
): Relation {
  if (from.size === head.size) {
    const root = rootBy(to.size);
    return root && isConsistent(head, { size: to.size, root }, hashes) ? 'same' : undefined;
  }
  if (to.size !== head.size) return undefined;
  const root = rootBy(from.size);
  if (!root) return undefined;
  if (isConsistent({ size: from.size, root }, head, hashes)) return 'same';
  // A signed root fixes everything below it. If the proof leads to this root from a root other than
  // the bundle's, the bundle has a different history.
  return isConsistent(from, head, hashes) ? 'other' : undefined;
}

/** Relates a signed head to a bundle by the first proof that applies. */
export function relate(
  head: TreeHead,
  proofs: readonly GrowthProof[],
  rootBy: (size: number) => Buffer | undefined,
): Relation {
  for (const proof of proofs) {
    const relation = relateBy(head, proof, rootBy);
    if (relation) return relation;
  }
  return undefined;
}
