import { invalidateSessions, listStaffOfConnection } from '../auth';
import type { SessionMode } from '../auth';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { SsoDeps } from './deps';

/**
 * Signs out everywhere the members with a session that a connection has opened, and those who still
 * owe a proof after a sign-in through it.
 * @returns these members, whose risk facts the caller forgets after the commit
 */
export async function endSessionsThrough(
  { clock }: Pick<SsoDeps, 'clock'>,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  { tenantId, connectionId }: { tenantId: string; connectionId: string },
): Promise<string[]> {
  const staffIds = mode === 'normal' ? await listStaffOfConnection(tx, tenantId, connectionId) : [];
  const what = { reason: 'manual' as const, now: clock.now() };
  for (const staffId of staffIds) {
    await invalidateSessions(tx, ctx, mode, tenantId, { ...what, staffId });
  }
  return staffIds;
}
