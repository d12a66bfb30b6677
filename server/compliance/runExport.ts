import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { RequestContext } from '../context';
import { databaseFault } from '../db/pgErrors';
import { AppError } from '../errors';
import type { ExportFile } from './copyStore';
import { toTimeRange } from './exportInput';
import type { ExportInput } from './exportInput';
import type { ExportDeps, ExportPlan, ExportResult, ExportSink, Exporter } from './exportPlan';
import { takeExportPlace } from './exportPlaces';
import { openSnapshot } from './exportStore';
import type { ExportSnapshot } from './exportStore';
import { createRecorder } from './recordExport';
import type { FailureReason } from './recordExport';
import { destroyWhenStalled } from './stalledClient';

/** Error codes of a stream whose reader has left. */
const READER_GONE = new Set([
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_UNABLE_TO_PIPE',
  'ECONNRESET',
  'EPIPE',
]);

function failureReason(error: unknown, begun: boolean, fault: Error | undefined): FailureReason {
  if (fault) return 'database';
  if (error instanceof AppError && error.code === 'AUDIT_LOG_BUSY') return 'audit_log_busy';
  if (!begun) return databaseFault(error) ? 'database' : 'error';
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && READER_GONE.has(code)) return 'client_closed';
  return databaseFault(error) ? 'database' : 'error';
}

/** Opens the first COPY and waits until the database answers it. After that, a failure is unlikely. */
async function startRows(snapshot: ExportSnapshot, file: ExportFile): Promise<Readable> {
  const rows = snapshot.copy(file);
  await once(rows, 'readable');
  return rows;
}

/**
 * Runs an export: takes a place, records DATA_EXPORT_REQUESTED (committed before the snapshot, which therefore
 * contains it), takes the snapshot, streams, and records the end. An export that fails before its first byte gives
 * its proof back.
 * @returns when the export has ended; if it failed after its first byte, the output is destroyed
 * @throws AppError EXPORT_BUSY, AUDIT_LOG_BUSY, STEP_UP_REQUIRED if the proof was used meanwhile; before the first
 * byte also any error of the database
 */
export async function runExport(
  deps: ExportDeps,
  ctx: RequestContext,
  exporter: Exporter,
  input: ExportInput,
  sink: ExportSink,
  plan: ExportPlan,
): Promise<void> {
  const leave = await takeExportPlace(deps, exporter.principal.tenantId);
  try {
    const recorder = createRecorder(deps, ctx, exporter, { kind: plan.kind, input });
    const { exportId } = recorder;
    await recorder.requested();
    let snapshot: ExportSnapshot | undefined;
    let output: Writable | undefined;
    const progress = { sealed: false };
    try {
      // Puts everything that the snapshot will show under a checkpoint, DATA_EXPORT_REQUESTED included.
      await deps.sealer.sealNow();
      const range = toTimeRange(input);
      const wanted = { exportId, range, format: input.format, files: plan.files };
      snapshot = await openSnapshot(deps.pool, exporter.principal.tenantId, wanted);
      const write = await plan.prepare(snapshot, exportId);
      const firstRows = await startRows(snapshot, plan.files[0]);
      output = sink.begin(plan.headers(snapshot));
      destroyWhenStalled(output);
      const seal = async (result: ExportResult) => {
        await recorder.completed(result);
        progress.sealed = true;
      };
      await write({ firstRows, seal }, output);
    } catch (err) {
      const reason = failureReason(err, output !== undefined, snapshot?.fault());
      snapshot?.abort();
      output?.destroy();
      deps.logger.warn({ err, exportId, reason }, 'an export failed');
      // If the export was recorded as complete, the reader had taken all of it except the last piece.
      if (!progress.sealed) await recorder.failed(reason, { sent: output !== undefined });
      if (!output) throw err;
    }
  } finally {
    await leave();
  }
}
