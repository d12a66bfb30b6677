import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import { assertRowId } from '../db/ids';
import { AppError } from '../errors';
import { normalizeEmail } from '../mailAddress';
import { markEnabled, provenanceOf } from '../tenants';
import type { ScimDeps } from './deps';
import {
  actForDirectory,
  actOf,
  disableForDirectory,
  disabledElsewhere,
  lockKnown,
} from './directoryAct';
import type { DirectoryRequest, DirectoryWork } from './directoryAct';
import { notUnique, refuseScim } from './protocol/scimRefusals';
import { applyChanges } from './protocol/userChanges';
import type { DirectoryUser, UserChange } from './protocol/userChanges';
import { assertVersion } from './scimVersion';
import { findScimUser, isNameTaken, noteDisabled, updateScimUser } from './scimUserStore';
import type { ScimUserRow } from './scimUserStore';

const stateOf = (row: ScimUserRow): DirectoryUser => {
  const { userName, active, externalId, displayName, email } = row;
  const { givenName, familyName, formattedName } = row;
  return {
    ...{ userName, active, externalId, displayName, email },
    ...{ givenName, familyName, formattedName },
  };
};

/** @throws AppError SCIM_INVALID, SCIM_CONFLICT */
async function assertName(
  { tx }: DirectoryWork,
  tenantId: string,
  { staffId, userName }: { staffId: string; userName: string },
): Promise<void> {
  if (normalizeEmail(userName) === null) {
    throw refuseScim('invalidValue', 'userName must be an e-mail address.');
  }
  if (await isNameTaken(tx, tenantId, { userName, except: staffId })) {
    throw notUnique('Another user has this userName.');
  }
}

/**
 * Enables a member whom SCIM itself had disabled.
 * @throws AppError SCIM_CONFLICT if somebody else did, or the membership has ended
 */
async function enable(
  deps: ScimDeps,
  ctx: RequestContext,
  row: ScimUserRow,
  request: DirectoryRequest,
  work: DirectoryWork,
): Promise<void> {
  const { tenantId } = request.principal;
  const { staffId } = row;
  const { tx, staff } = await lockKnown(work, tenantId, staffId);
  if (staff.ended) {
    throw new AppError('SCIM_CONFLICT', { detail: 'The time of this membership is over.' });
  }
  if (!row.disabledHere) throw disabledElsewhere();
  await markEnabled(tx, tenantId, staffId);
  await noteDisabled(tx, tenantId, staffId);
  await recordAudit(tx, ctx, {
    action: 'STAFF_ENABLED',
    outcome: 'success',
    subject: `staff:${staffId}`,
    details: {
      disabledAt: staff.disabledAt?.toISOString() ?? null,
      ...provenanceOf(deps, actOf(request)),
    },
  });
}

/** What a request asks for: who, the changes, and the version that it was made for. */
export interface ScimUserChange {
  staffId: string;
  changes: readonly UserChange[];
  /** The header If-Match. */
  ifMatch: string | undefined;
}

/**
 * Changes a user of the directory, under the lock of the tenant, so that no change is lost. A request
 * that changes nothing records nothing, and the user keeps their version. The person's own name,
 * address and password never change.
 * @throws AppError NOT_FOUND; VERSION_MISMATCH; SCIM_INVALID; SCIM_CONFLICT; what `actForDirectory`
 * throws
 */
export async function changeScimUser(
  deps: ScimDeps,
  ctx: RequestContext,
  request: DirectoryRequest,
  { staffId, changes, ifMatch }: ScimUserChange,
): Promise<ScimUserRow> {
  assertRowId(staffId);
  const { tenantId } = request.principal;
  const who = { tenantId, staffId };
  const { row, ended } = await actForDirectory(deps, ctx, request, [staffId], async (work) => {
    const { tx } = work;
    const found = await findScimUser(tx, tenantId, staffId);
    if (!found) throw new AppError('NOT_FOUND');
    assertVersion(found, ifMatch);
    const before = stateOf(found);
    const { after, changed } = applyChanges(before, changes);
    if (changed.length === 0) return { row: found, ended: false };
    if (changed.includes('userName')) await assertName(work, tenantId, { ...who, ...after });
    const switched = changed.includes('active');
    if (switched && !after.active) await disableForDirectory(deps, ctx, who, request, work);
    if (switched && after.active) await enable(deps, ctx, found, request, work);
    await updateScimUser(tx, tenantId, staffId, after);
    await recordAudit(tx, ctx, {
      action: 'SCIM_USER_CHANGED',
      outcome: 'success',
      subject: `staff:${staffId}`,
      details: {
        fields: changed,
        ...(switched ? { active: { before: before.active, after: after.active } } : {}),
        ...provenanceOf(deps, actOf(request)),
      },
    });
    const now = await findScimUser(tx, tenantId, staffId);
    if (!now) throw new Error('a user of a directory disappeared while it was changed');
    return { row: now, ended: switched && !after.active };
  });
  if (ended) deps.riskFacts.forget(tenantId, staffId);
  return row;
}
