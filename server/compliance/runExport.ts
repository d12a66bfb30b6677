import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { Principal, RequestContext } from '../context';
import type { Passage } from '../http/passage';
import { databaseFault } from '../db/pgErrors';
import type { ComplianceDeps } from './deps';
import { AppError } from '../errors';
import type { ExportFile } from './copyStore';
import { toTimeRange } from './exportInput';
import type { ExportInput } from './exportInput';
import { takeExportPlace } from './exportPlaces';
import { openSnapshot } from './exportStore';
import type { ExportSnapshot } from './exportStore';
import { createRecorder } from './recordExport';
import type { FailureReason } from './recordExport';
import { destroyWhenStalled } from './stalledClient';

export type ExportDeps = Pick<
  ComplianceDeps,
  | 'config'
  | 'clock'
  | 'db'
  | 'pool'
  | 'random'
  | 'logger'
  | 'metrics'
  | 'keys'
  | 'mail'
  | 'riskPolicies'
  | 'sealer'
>;

/** The person who exports, and their proof, which is valid for this export only. */
export interface Exporter {
  principal: Principal;
  passage: Passage;
}

export interface ExportHeaders {
  contentType: string;
  filename: string;
}

/** The destination of an export. Until `begin` is called, an error can still become an error response. */
export interface ExportSink {
  begin(headers: ExportHeaders): Writable;
}

/** The parts that are ready before anything is sent. */
export interface StartedExport {
  /** The rows of the first file; the database has begun to send them. */
  readonly firstRows: Readable;
  /** Records that the export is complete. It is called once, before the last bytes are sent. */
  readonly seal: (result: ExportResult) => Promise<void>;
}

export interface ExportPlan {
  readonly kind: 'bundle' | 'security_events';
  /** In the order in which they are read. */
  readonly files: readonly [ExportFile, ...ExportFile[]];
  headers(snapshot: ExportSnapshot): ExportHeaders;
  /** Reads what must be known before the first byte. @returns the function that streams the export */
  prepare(snapshot: ExportSnapshot, exportId: string): Promise<WriteExport>;
}

/** Streams everything, closes the snapshot and seals; returns once the output has everything. */
export type WriteExport = (started: StartedExport, output: Writable) => Promise<void>;

export interface ExportResult {
  readonly files: readonly { name: string; rows: number | null }[];
  readonly bytes: number;
  /** Only for a bundle: the signed head of the log that the bundle is proven against. */
  readonly checkpoint?: { size: number; rootHash: string };
}

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
