import { LOG_FILES, TABLE_FILES } from './bundleFiles';
import type { BundleProofs } from './bundleProofs';
import { hasLeaves } from './copyStore';
import type { ExportSnapshot, LeafSpan } from './exportStore';
import type { WeekCount } from './summaryStore';

/** The small parts of a bundle, which are read before the rows. */
export interface Gathered {
  readonly proofs: BundleProofs;
  /** By file name. */
  readonly spans: ReadonlyMap<string, LeafSpan>;
  readonly weeks: readonly WeekCount[];
}

/**
 * Reads the small parts of a bundle.
 * @throws AppError AUDIT_LOG_BROKEN if the stored tree is not the one that was signed
 */
export async function gatherBundle(snapshot: ExportSnapshot): Promise<Gathered> {
  const proofs = await snapshot.prove();
  const spans = new Map<string, LeafSpan>();
  for (const file of [...LOG_FILES, ...TABLE_FILES].filter(hasLeaves)) {
    const span = await snapshot.findSpan(file);
    if (span) spans.set(file.name, span);
  }
  return { proofs, spans, weeks: await snapshot.countByWeek() };
}
