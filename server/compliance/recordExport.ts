import { setTimeout as sleep } from 'node:timers/promises';
import { recordAudit } from '../audit';
import type { AuditEvent } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { inTenant } from '../db/tenantScope';
import { giveProofBack, withProof } from '../security';
import type { SpentProof } from '../security';
import { SECOND_MS } from '../durations';
import { takeExportEnd } from './deadExportStore';
import type { ExportInput } from './exportInput';
import type { ExportDeps, ExportPlan, ExportResult, Exporter } from './exportPlan';

type ExportEvent = Extract<
  AuditEvent,
  { action: 'DATA_EXPORT_REQUESTED' | 'DATA_EXPORT_COMPLETED' | 'DATA_EXPORT_FAILED' }
>;
type EndEvent = Exclude<ExportEvent, { action: 'DATA_EXPORT_REQUESTED' }>;
type FailedDetails = Extract<ExportEvent, { action: 'DATA_EXPORT_FAILED' }>['details'];
export type FailureReason = FailedDetails['reason'];

/** Retries for as long as a step-up proof can be of any use, and no longer. */
const TRIES = 900;
const BETWEEN_TRIES_MS = SECOND_MS;

/**
 * Records the end of an export, unless one is recorded already: an export has one end, no matter which process
 * records it.
 * @returns whether this call recorded the end
 */
export async function recordExportEnd(
  tx: Tx,
  ctx: RequestContext,
  exportId: string,
  event: EndEvent & { tenantId: string },
): Promise<boolean> {
  if (!(await takeExportEnd(tx, event.tenantId, exportId))) return false;
  await recordAudit(tx, ctx, event);
  return true;
}

/** Retries until it succeeds, for as long as a database may be unreachable. Nobody waits for it. */
async function retry(attempt: () => Promise<unknown>): Promise<void> {
  for (let count = 0; count < TRIES; count += 1) {
    await sleep(BETWEEN_TRIES_MS, undefined, { ref: false });
    const done = await attempt().then(
      () => true,
      () => false,
    );
    if (done) return;
  }
}

/** Creates the recorder of one export: its id, and the three events that can be recorded for it. */
export function createRecorder(
  deps: ExportDeps,
  ctx: RequestContext,
  { principal, passage }: Exporter,
  { kind, input }: { kind: ExportPlan['kind']; input: ExportInput },
) {
  const exportId = deps.random.id();
  const { from, to, format } = input;
  const { tenantId } = principal;
  const asked = { kind, from, to, format };
  const about = { tenantId, subject: `export:${exportId}` };
  let proof: SpentProof | undefined;

  const recordFailure = (reason: FailureReason, sent: boolean) =>
    inTenant(deps.db, tenantId, async (tx) => {
      const isBack = !sent && proof ? await giveProofBack(tx, tenantId, proof) : false;
      const details = { ...asked, reason, ...(isBack && { proofGivenBack: true as const }) };
      const event = { action: 'DATA_EXPORT_FAILED', outcome: 'failure', ...about } as const;
      await recordExportEnd(tx, ctx, exportId, { ...event, details });
    });

  return {
    exportId,
    requested: () =>
      withProof(deps, ctx, principal, passage, async (tx, spent) => {
        proof = spent;
        await recordAudit(tx, ctx, {
          action: 'DATA_EXPORT_REQUESTED',
          outcome: 'success',
          ...about,
          details: asked,
        });
      }),
    /** Throws if the event cannot be written: an export without a record must not be delivered. */
    async completed({ files, bytes, checkpoint }: ExportResult): Promise<void> {
      const counted = files.flatMap(({ name, rows }) => (rows === null ? [] : [{ name, rows }]));
      const details = { ...asked, files: counted, bytes, ...(checkpoint && { checkpoint }) };
      const event = { action: 'DATA_EXPORT_COMPLETED', outcome: 'success', ...about } as const;
      const isEnd = await inTenant(deps.db, tenantId, (tx) =>
        recordExportEnd(tx, ctx, exportId, { ...event, details }),
      );
      if (!isEnd) throw new Error('Another process has recorded this export as ended.');
      deps.metrics.exports.inc({ outcome: 'completed' });
    },
    /**
     * Records a failure. The export has failed already, so if the event cannot be written, the error is logged and
     * the write is retried.
     * @param sent whether anything was sent: if nothing was, the proof is given back together with the event
     */
    async failed(reason: FailureReason, { sent }: { sent: boolean }): Promise<void> {
      deps.metrics.exports.inc({ outcome: reason });
      try {
        await recordFailure(reason, sent);
      } catch (err) {
        deps.metrics.exports.inc({ outcome: 'unrecorded' });
        deps.logger.error({ err, exportId, reason }, 'DATA_EXPORT_FAILED could not be recorded');
        void retry(() => recordFailure(reason, sent));
      }
    },
  };
}
