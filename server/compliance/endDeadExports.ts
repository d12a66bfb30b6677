import { AUDIT_ACTIONS } from '../audit';
import { systemContext } from '../context';
import { MINUTE_MS } from '../durations';
import type { ComplianceDeps } from './deps';
import { listDeadExports } from './deadExportStore';
import type { DeadExport } from './deadExportStore';
import { MOST_OF_TENANT } from './exportPlaces';
import { recordExportEnd } from './recordExport';
import { inTenant } from '../db/tenantScope';

const EVERY_MS = MINUTE_MS;

type WatchDeps = Pick<ComplianceDeps, 'db' | 'logger' | 'metrics'>;

/** @returns whether this call recorded the end; another node may have been faster */
async function endOne({ db }: WatchDeps, dead: DeadExport): Promise<boolean> {
  const { correlationIdFrom, ...rest } = dead.details;
  const asked = AUDIT_ACTIONS.DATA_EXPORT_REQUESTED.safeParse(rest);
  // Somebody inserted this event by hand: it is no export of ours.
  if (!asked.success) return false;
  const ctx = {
    ...systemContext(dead.correlationId),
    ...(correlationIdFrom === 'client' && { correlationIdFrom: 'client' as const }),
  };
  return inTenant(db, dead.tenantId, (tx) =>
    recordExportEnd(tx, ctx, dead.exportId, {
      action: 'DATA_EXPORT_FAILED',
      outcome: 'failure',
      tenantId: dead.tenantId,
      subject: `export:${dead.exportId}`,
      details: { ...asked.data, reason: 'process_ended' },
    }),
  );
}

/**
 * Records the end of exports whose process died before they ended. It is recorded once, however many nodes look. An
 * export that runs on any node is left alone.
 * @returns how many ends were recorded
 */
export async function endDeadExports(deps: WatchDeps): Promise<number> {
  let ended = 0;
  for (const dead of await listDeadExports(deps.db, MOST_OF_TENANT)) {
    if (!(await endOne(deps, dead))) continue;
    ended += 1;
    deps.metrics.exports.inc({ outcome: 'process_ended' });
    const { exportId, tenantId } = dead;
    deps.logger.warn({ exportId, tenantId }, 'an export had no end: its process died');
  }
  return ended;
}

/** Looks for dead exports at once and then every minute. @returns a function that stops it */
export function watchExports(deps: WatchDeps): () => void {
  const look = () =>
    endDeadExports(deps).catch((err: unknown) => {
      deps.metrics.backgroundFailures.inc({ task: 'end_dead_exports' });
      deps.logger.warn({ err }, 'exports without an end could not be looked for');
    });
  void look();
  const timer = setInterval(() => void look(), EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
