/** The parts of a C2SP tlog-proof. */
export interface TlogProof {
  readonly index: number;
  /** Ordered from the leaf's sibling up. */
  readonly hashes: readonly Buffer[];
  /** The signed note. */
  readonly checkpoint: string;
}

/** Writes a proof that can be verified with only the entry and the log's key (C2SP tlog-proof). */
export function formatTlogProof({ index, hashes, checkpoint }: TlogProof): string {
  const lines = ['c2sp.org/tlog-proof@v1', `index ${index}`];
  for (const hash of hashes) lines.push(hash.toString('base64'));
  return `${lines.join('\n')}\n\n${checkpoint}`;
}
