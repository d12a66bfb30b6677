import { recordAudit } from '../../audit';
import type { Principal, RequestContext } from '../../context';
import type { Kernel } from '../../kernel';
import { MINUTE_MS } from '../../durations';

/** Each node records at most one event for the same person and permission within this time. */
const QUIET_MS = MINUTE_MS;
/**
 * The most entries kept. Beyond it the oldest is dropped, and its next refusal is recorded again.
 */
const MOST_REMEMBERED = 10_000;

export interface DenialRecorder {
  /** Records that a permission was missing, or counts it towards the next event. */
  record(ctx: RequestContext, principal: Principal, permission: string): Promise<void>;
}

/**
 * Creates a recorder of refused permissions, with person and tenant. A client that asks thousands
 * of times must not flood the audit log, so each node records one event per minute for the same
 * person and permission; the next event counts the refusals in between. Refusals after the last
 * event are not recorded if the client stops. If an event cannot be stored, its refusals are counted
 * in the next one, and the next refusal tries again.
 */
export function createDenialRecorder(deps: Pick<Kernel, 'db' | 'clock'>): DenialRecorder {
  const seen = new Map<string, { since: number; unrecorded: number }>();
  return {
    async record(ctx, { tenantId, staffId }, permission) {
      const now = deps.clock.now().getTime();
      const key = `${tenantId}/${staffId}/${permission}`;
      const entry = seen.get(key) ?? { since: -Infinity, unrecorded: 0 };
      if (now - entry.since < QUIET_MS) {
        entry.unrecorded += 1;
        return;
      }
      const repeated = entry.unrecorded;
      entry.since = now;
      entry.unrecorded = 0;
      seen.delete(key);
      const [oldest] = seen.keys();
      if (seen.size >= MOST_REMEMBERED && oldest !== undefined) seen.delete(oldest);
      seen.set(key, entry);
      try {
        await deps.db.transaction((tx) =>
          recordAudit(tx, ctx, {
            action: 'PERMISSION_DENIED',
            outcome: 'denied',
            subject: `staff:${staffId}`,
            details: { permission, repeated },
          }),
        );
      } catch (error) {
        // Add to the count: other refusals may have been counted during the insert.
        entry.unrecorded += repeated + 1;
        entry.since = -Infinity;
        throw error;
      }
    },
  };
}
