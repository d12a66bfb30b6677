import type { Tx } from '../../db';
import { AppError } from '../../errors';
import type { Authority } from '../administer';
import { assertMayManage } from '../administration';
import type { Administration } from '../administration';
import { lockKey } from './apiKeyStore';
import type { HeldKey } from './apiKeyStore';

/** The authority of a member; operators only list and revoke keys. */
export type MemberAuthority = Extract<Authority, { via: 'api' }>;

/**
 * Locks a live key that the actor of the administration may manage: their own, or that of somebody
 * whose permissions they all hold.
 * @throws AppError NOT_FOUND, also for a key of another tenant; NOT_YOURS_TO_MANAGE; KEY_ENDED
 */
export async function lockManagedKey(
  tx: Tx,
  administration: Administration,
  id: string,
): Promise<HeldKey> {
  const key = await lockKey(tx, administration.tenantId, id);
  if (!key) throw new AppError('NOT_FOUND');
  assertMayManage(administration, { staffId: key.staffId, permissions: key.heldPermissions });
  if (!key.live) throw new AppError('KEY_ENDED');
  return key;
}
