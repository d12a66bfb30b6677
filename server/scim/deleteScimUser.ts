import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import { assertRowId } from '../db/ids';
import { AppError } from '../errors';
import { endForGood, provenanceOf } from '../tenants';
import type { ScimDeps } from './deps';
import { actForDirectory, actOf, lockKnown } from './directoryAct';
import type { DirectoryRequest } from './directoryAct';
import { findScimUser, noteDeleted } from './scimUserStore';
import { assertVersion } from './scimVersion';

/**
 * Deletes a user of the directory: their membership is removed by the function that every path uses.
 * SCIM can make them a member again only if no administrator had disabled them or given their
 * membership an end before.
 * @throws AppError NOT_FOUND; VERSION_MISMATCH; what `actForDirectory` throws
 */
export async function deleteScimUser(
  deps: ScimDeps,
  ctx: RequestContext,
  request: DirectoryRequest,
  { staffId, ifMatch }: { staffId: string; ifMatch: string | undefined },
): Promise<void> {
  assertRowId(staffId);
  const { tenantId } = request.principal;
  await actForDirectory(deps, ctx, request, [staffId], async (work) => {
    const { tx } = work;
    const found = await findScimUser(tx, tenantId, staffId);
    if (!found) throw new AppError('NOT_FOUND');
    assertVersion(found, ifMatch);
    const member = await lockKnown(work, tenantId, staffId);
    const { status, endsAt, ended } = member.staff;
    // An end is an administrator's decision, and does not outlive the removal.
    const isLimited = endsAt !== null || ended;
    const isOurs = !isLimited && (status === 'active' || found.disabledHere);
    await endForGood(deps, ctx, { tenantId, staffId }, actOf(request), member);
    await noteDeleted(tx, tenantId, { staffId, isOurs });
    await recordAudit(tx, ctx, {
      action: 'SCIM_USER_DELETED',
      outcome: 'success',
      subject: `staff:${staffId}`,
      details: provenanceOf(deps, actOf(request)),
    });
  });
  deps.riskFacts.forget(tenantId, staffId);
}
