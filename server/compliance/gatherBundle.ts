import { LOG_FILES, TABLE_FILES } from './bundleFiles';
import type { BundleProofs } from './bundleProofs';
import { hasLeaves } from './copyStore';
import type { ExportSnapshot, LeafSpan } from './exportStore';
import type { WeekCount } from './summaryStore';

/** What is small, and read before the rows. */
export interface Gathered {
  readonly proofs: BundleProofs;
  /** By the names of files. */
  readonly spans: ReadonlyMap<string, LeafSpan>;
  readonly weeks: readonly WeekCount[];
}

/** @throws AppError AUDIT_LOG_BROKEN where the kept tree is not the one that was signed */
export async function gatherBundle(snapshot: ExportSnapshot): Promise<Gathered> {
  const proofs = await snapshot.prove();
  const spans = new Map<string, LeafSpan>();
  for (const file of [...LOG_FILES, ...TABLE_FILES].filter(hasLeaves)) {
    const span = await snapshot.findSpan(file);
    if (span) spans.set(file.name, span);
  }
  return { proofs, spans, weeks: await snapshot.countByWeek() };
}
