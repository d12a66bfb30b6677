import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { AppError } from '../errors';
import type { ErrorCode } from '../errors';
import { beginAdministration } from './administration';
import type { AccessPlan } from './changeAccess';
import { planInvitation } from './createInvitation';
import type { Invitation } from './invitationStore';

/** The errors that mean that the inviter could not send the invitation any more. */
const FALLEN: readonly ErrorCode[] = [
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_YOURS_TO_GIVE',
  'UNKNOWN_ROLE',
  'UNKNOWN_PERMISSION',
];

/**
 * Works out what an invitation gives at this moment, on the authority of the person who sent it.
 * @returns undefined if the inviter may no longer give it, or a part of it no longer exists
 * @throws AppError NOT_FOUND if the tenant was deleted
 */
export async function planOfInviter(
  tx: Tx,
  ctx: RequestContext,
  invitation: Invitation,
): Promise<AccessPlan | undefined> {
  const actor = invitation.inviterStaffId ?? 'operator:invitation';
  const { tenantId } = invitation;
  try {
    const asInviter = { ...ctx, actor };
    const begun = await beginAdministration(tx, asInviter, tenantId, 'TENANT_STAFF_MANAGE');
    return await planInvitation(tx, begun, invitation);
  } catch (error) {
    if (error instanceof AppError && FALLEN.includes(error.code)) return undefined;
    throw error;
  }
}
