import type { RequestContext } from '../context';
import type { Deps } from '../deps';
import { queueNotice } from '../mail';
import type { NoticeDeps } from '../mail';

/**
 * Tells somebody of a login on a device that none of theirs has succeeded on before; of a first login there is nothing
 * to tell. To be called before the login teaches what it knows. Like scoring it is advice: where it fails the login
 * stands, and the log and a metric say so.
 * @param deviceHashes what identified the device at this login
 */
export async function noticeNewDevice(
  deps: NoticeDeps & Pick<Deps, 'db' | 'riskFacts'>,
  ctx: RequestContext,
  { tenantId, staffId }: { tenantId: string; staffId: string },
  deviceHashes: readonly string[],
): Promise<void> {
  if (!deps.mail.isAvailable()) return;
  try {
    const { deviceHashes: known, lastLoginAt } = await deps.riskFacts.read(tenantId, staffId);
    // Somebody whose devices were all forgotten has signed in before: they are told of each.
    if (known.size === 0 && lastLoginAt === null) return;
    if (deviceHashes.some((hash) => known.has(hash))) return;
    const staff = { tenantId, staffId };
    await deps.db.transaction((tx) => queueNotice(deps, tx, ctx, staff, { kind: 'new_device' }));
    deps.mail.wake();
  } catch (err) {
    deps.metrics.backgroundFailures.inc({ task: 'notice_new_device' });
    deps.logger.warn({ err }, 'nobody could be told of a new device');
  }
}
