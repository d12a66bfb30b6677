import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import type { Deps } from '../deps';

/** One event for the same person and permission in this time, on each node. */
const QUIET_MS = 60_000;
/** So many are remembered; past it the oldest is forgotten, and its next refusal is an event again. */
const MOST_REMEMBERED = 10_000;

export interface DenialRecorder {
  /** Records that a permission was missing, or counts it towards the next event. */
  record(ctx: RequestContext, principal: Principal, permission: string): Promise<void>;
}

/**
 * Records refused permissions, with who and which tenant. A client that asks thousands of times must not become the log:
 * the same person and permission make one event a minute on each node, and the next one says how many came in between.
 * What came after the last event is not told if the client stops.
 */
export function createDenialRecorder(deps: Pick<Deps, 'db' | 'clock'>): DenialRecorder {
  const seen = new Map<string, { since: number; untold: number }>();
  return {
    async record(ctx, { tenantId, staffId }, permission) {
      const now = deps.clock.now().getTime();
      const key = `${tenantId}/${staffId}/${permission}`;
      const last = seen.get(key);
      if (last && now - last.since < QUIET_MS) {
        last.untold += 1;
        return;
      }
      seen.delete(key);
      const [oldest] = seen.keys();
      if (seen.size >= MOST_REMEMBERED && oldest !== undefined) seen.delete(oldest);
      seen.set(key, { since: now, untold: 0 });
      await deps.db.transaction((tx) =>
        recordAudit(tx, ctx, {
          action: 'PERMISSION_DENIED',
          outcome: 'denied',
          subject: `staff:${staffId}`,
          details: { permission, repeated: last?.untold ?? 0 },
        }),
      );
    },
  };
}
