import type { RequestContext } from '../context';
import { gatherBundle } from './gatherBundle';
import { LOG_FILES, TABLE_FILES } from './bundleFiles';
import type { ExportInput } from './exportInput';
import { runExport } from './runExport';
import type { ExportDeps, ExportSink, Exporter } from './exportPlan';
import { writeBundle } from './writeBundle';

/**
 * Streams the evidence bundle of the caller's tenant: a ZIP with the events of the range, the proof that they are
 * complete, the tables that SOC 2 asks for, and a signed manifest.
 * @param input UTC days, both included
 * @param sink receives type and name of the file once the first rows are certain
 * @returns when the export has ended; a destroyed output means that it failed
 * @throws AppError EXPORT_BUSY, AUDIT_LOG_BUSY, AUDIT_LOG_BROKEN; before the first byte also any error of the
 * database
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
    files: [...LOG_FILES, ...TABLE_FILES],
    headers: ({ tenant }) => ({
      contentType: 'application/zip',
      filename: `gatehouse-evidence-${tenant.slug}-${input.from}-${input.to}.zip`,
    }),
    async prepare(snapshot, exportId) {
      const gathered = await gatherBundle(snapshot);
      const { tenant, asOf, stretch, ownership } = snapshot;
      const subject = { exportId, tenant, asOf, stretch, ownership, input };
      return (started, output) =>
        writeBundle(deps, { snapshot, subject, gathered, ...started }, output);
    },
  });
}
