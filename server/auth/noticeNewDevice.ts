import type { RequestContext } from '../context';
import type { AuthDeps } from './deps';
import { queueNotice } from '../mail';
import type { NoticeDeps } from '../mail';
import { inTenant } from '../db/tenantScope';

/**
 * Mails a person about a login on a device on which they have never signed in before; a first login
 * sends nothing. Call it before the login teaches the scorer its device. It must not fail a login:
 * a fault is logged and counted in a metric.
 * @param deviceHashes the hashes that identified the device at this login
 */
export async function noticeNewDevice(
  deps: NoticeDeps & Pick<AuthDeps, 'db' | 'riskFacts'>,
  ctx: RequestContext,
  { tenantId, staffId }: { tenantId: string; staffId: string },
  deviceHashes: readonly string[],
): Promise<void> {
  if (!deps.mail.isAvailable()) return;
  try {
    const { deviceHashes: known, lastLoginAt } = await deps.riskFacts.read(tenantId, staffId);
    // A person whose devices were all forgotten has a last login, so they get a mail about each
    // device.
    if (known.size === 0 && lastLoginAt === null) return;
    if (deviceHashes.some((hash) => known.has(hash))) return;
    const staff = { tenantId, staffId };
    await inTenant(deps.db, tenantId, (tx) =>
      queueNotice(deps, tx, ctx, staff, { kind: 'new_device' }),
    );
    deps.mail.wake();
  } catch (err) {
    deps.metrics.backgroundFailures.inc({ task: 'notice_new_device' });
    deps.logger.warn({ err }, 'the notice of a new device could not be queued');
  }
}
