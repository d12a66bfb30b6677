import type { RequestContext } from '../context';
import { BUNDLE_FILES } from './exportFileStore';
import type { ExportInput } from './exportInput';
import { runExport } from './runExport';
import type { ExportDeps, ExportSink, Exporter } from './runExport';
import { writeBundle } from './writeBundle';

/**
 * Streams the evidence bundle of the caller's tenant: a ZIP with the events and sessions of the range, the
 * access review as of now, and a signed manifest.
 * @param input UTC days, both included
 * @param sink told type and name of the file once the first rows are certain
 * @returns when the export has ended; a destroyed output means that it failed
 * @throws AppError EXPORT_BUSY; before the first byte whatever the database throws
 */
export async function exportBundle(
  deps: ExportDeps,
  ctx: RequestContext,
  exporter: Exporter,
  input: ExportInput,
  sink: ExportSink,
): Promise<void> {
  await runExport(deps, ctx, exporter, input, sink, {
    kind: 'bundle',
    files: BUNDLE_FILES,
    headers: ({ tenant }) => ({
      contentType: 'application/zip',
      filename: `gatehouse-evidence-${tenant.slug}-${input.from}-${input.to}.zip`,
    }),
    write({ exportId, snapshot, firstRows, seal }, output) {
      const { tenant, asOf } = snapshot;
      const subject = { exportId, tenant, asOf, input };
      return writeBundle(deps, { snapshot, subject, firstRows, seal }, output);
    },
  });
}
