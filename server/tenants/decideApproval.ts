import { ZodError } from 'zod';
import { canonicalJson, recordAudit } from '../audit';
import { isOfOperators } from '../context';
import type { Principal, RequestContext } from '../context';
import type { Tx } from '../db';
import { assertRowId } from '../db/ids';
import type { ApprovalDecision } from '../db/schema';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { administer } from './administer';
import type { Authority } from './administer';
import { assertAdministratorLeft, assertMayGive, assertMayManage } from './administration';
import type { Administration, Administrator } from './administration';
import { readActor } from './administrationStore';
import { APPROVAL_KINDS } from './approvalKinds';
import { decideRequest, endRequest, readApproval } from './approvalStore';
import type { ApprovalRequest } from './approvalStore';
import type { PreparedChange } from './requestApproval';

type Member = Extract<Administrator, { kind: 'member' }>;

/** @throws AppError NOT_FOUND; APPROVAL_CLOSED if the request is not open any more */
async function readOpen(tx: Tx, tenantId: string, id: string): Promise<ApprovalRequest> {
  const request = await readApproval(tx, tenantId, id);
  if (!request) throw new AppError('NOT_FOUND');
  if (request.status !== 'open') throw new AppError('APPROVAL_CLOSED');
  return request;
}

/**
 * Returns the member who decides. It is somebody who could approve the change when it was asked for:
 * neither the member who asked, nor the one whose permissions change, nor anybody who was invited or
 * promoted afterwards.
 * @throws AppError NOT_YOURS_TO_APPROVE
 */
function deciderOf({ actor }: Administration, request: ApprovalRequest): Member {
  const { requesterStaffId, staffId, change } = request;
  if (actor.kind !== 'member') throw new Error('an operator cannot approve');
  const isInvolved = actor.staffId === requesterStaffId || actor.staffId === staffId;
  if (isInvolved || !change.approvers.includes(actor.staffId)) {
    throw new AppError('NOT_YOURS_TO_APPROVE');
  }
  return actor;
}

/** Returns the administration as the member who asked would have it now, if they still may ask. */
async function requesterIn(
  tx: Tx,
  administration: Administration,
  { kind, requesterStaffId: staffId }: ApprovalRequest,
): Promise<Administration | undefined> {
  const { needs } = APPROVAL_KINDS[kind];
  const found = await readActor(tx, administration.tenantId, staffId);
  if (!found?.active || !found.permissions.includes(needs)) return undefined;
  const { userId, permissions, endsAt } = found;
  return { ...administration, actor: { kind: 'member', staffId, userId, permissions, endsAt } };
}

/**
 * Prepares the change once more for the member who asked.
 * @returns undefined if it is outdated: they may no longer make it, it is no longer possible, or its
 * result would differ from the one that was asked for
 */
async function prepareAgain(
  deps: TenantDeps,
  tx: Tx,
  administration: Administration,
  request: ApprovalRequest,
): Promise<PreparedChange | undefined> {
  const requester = await requesterIn(tx, administration, request);
  const { wanted, effect } = request.change;
  try {
    const prepared =
      requester && (await APPROVAL_KINDS[request.kind].prepare(deps, tx, requester, wanted));
    const isSame = prepared && canonicalJson(prepared.effect) === canonicalJson(effect);
    return isSame ? prepared : undefined;
  } catch (err) {
    if (err instanceof ZodError || (err instanceof AppError && err.isRefusal)) return undefined;
    throw err;
  }
}

const ACTION = {
  approved: 'APPROVAL_GIVEN',
  refused: 'APPROVAL_REFUSED',
  withdrawn: 'APPROVAL_WITHDRAWN',
  outdated: 'APPROVAL_OUTDATED',
} as const;

async function recordEnd(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
  how: keyof typeof ACTION,
  request: ApprovalRequest,
): Promise<void> {
  const { kind, change, requesterStaffId: requestedBy } = request;
  await recordAudit(tx, ctx, {
    action: ACTION[how],
    outcome: 'success',
    tenantId,
    subject: `approval:${request.id}`,
    details: {
      ...{ kind, about: change.about, requestedBy },
      via: isOfOperators(ctx.actor) ? 'operator' : 'api',
    },
  });
}

/**
 * Writes a decision and its event.
 * @returns the seconds since the request was made
 * @throws AppError APPROVAL_CLOSED if somebody else has decided it
 */
async function settle(
  tx: Tx,
  ctx: RequestContext,
  administration: Administration,
  { request, decision }: { request: ApprovalRequest; decision: ApprovalDecision },
): Promise<number> {
  const { tenantId, actor } = administration;
  if (actor.kind !== 'member') throw new Error('only members decide');
  const query = { id: request.id, decision, decider: actor };
  const seconds = await decideRequest(tx, tenantId, query);
  if (seconds === undefined) throw new AppError('APPROVAL_CLOSED');
  await recordEnd(tx, ctx, tenantId, decision, request);
  return seconds;
}

async function readDecided(tx: Tx, tenantId: string, id: string): Promise<ApprovalRequest> {
  const decided = await readApproval(tx, tenantId, id);
  if (!decided) throw new Error('a request for an approval disappeared');
  return decided;
}

/** The context of the effect: the ticket is that of the request. */
const contextOfEffect = (ctx: RequestContext, { ticket }: ApprovalRequest): RequestContext =>
  ticket === null ? ctx : { ...ctx, ticket };

/**
 * Approves a change that somebody else asked for, and makes it, in one transaction.
 * @returns the request
 * @throws AppError NOT_FOUND; APPROVAL_CLOSED if it is not open any more; NOT_YOURS_TO_APPROVE;
 * NOT_YOURS_TO_GIVE or NOT_YOURS_TO_MANAGE if the approver does not hold everything in it;
 * APPROVAL_OUTDATED, and the request has ended; LAST_ADMINISTRATOR; what `administer` throws
 */
export async function approveRequest(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: Extract<Authority, { via: 'api' }>,
  id: string,
): Promise<ApprovalRequest> {
  assertRowId(id);
  const approve = async (tx: Tx, administration: Administration) => {
    const { tenantId } = administration;
    const request = await readOpen(tx, tenantId, id);
    const { staffId: approvedBy } = deciderOf(administration, request);
    const prepared = await prepareAgain(deps, tx, administration, request);
    if (!prepared) {
      await endRequest(tx, tenantId, id);
      await recordEnd(tx, ctx, tenantId, 'outdated', request);
      // Returning commits the end of the request; the error follows after it.
      return undefined;
    }
    for (const member of prepared.members) assertMayManage(administration, member);
    assertMayGive(administration, prepared.given);
    const seconds = await settle(tx, ctx, administration, { request, decision: 'approved' });
    const secondsToEffect = Math.max(0, seconds);
    const { requesterStaffId: requestedBy, reason } = request;
    await prepared.write(contextOfEffect(ctx, request), {
      ...{ via: 'api', requestedBy, approvedBy, secondsToEffect },
      ...(reason === null ? {} : { reason }),
    });
    await assertAdministratorLeft(tx, administration);
    return readDecided(tx, tenantId, id);
  };
  const { tenantId } = authority.principal;
  // The subject of a request never changes, so their row can be locked in order with the approver's.
  const subject = (await readApproval(deps.db, tenantId, id))?.staffId;
  const locked = subject ? [subject] : [];
  const needs = 'TENANT_ROLES_MANAGE';
  const approved = await administer(deps, ctx, authority, needs, approve, locked);
  if (!approved) throw new AppError('APPROVAL_OUTDATED');
  deps.mail.wake();
  return approved;
}

/**
 * Refuses a change that somebody else asked for. A member must be one who could approve it; an
 * operator can always refuse.
 * @returns the request
 * @throws AppError NOT_FOUND; APPROVAL_CLOSED; NOT_YOURS_TO_APPROVE; what `administer` throws
 */
export async function refuseRequest(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: Authority,
  id: string,
): Promise<ApprovalRequest> {
  assertRowId(id);
  return administer(deps, ctx, authority, 'TENANT_ROLES_MANAGE', async (tx, administration) => {
    const { tenantId, actor } = administration;
    const request = await readOpen(tx, tenantId, id);
    if (actor.kind === 'operator') {
      if (!(await endRequest(tx, tenantId, id))) throw new AppError('APPROVAL_CLOSED');
      await recordEnd(tx, ctx, tenantId, 'refused', request);
    } else {
      deciderOf(administration, request);
      await settle(tx, ctx, administration, { request, decision: 'refused' });
    }
    return readDecided(tx, tenantId, id);
  });
}

/**
 * Withdraws a change that the caller asked for.
 * @returns the request
 * @throws AppError NOT_FOUND; APPROVAL_CLOSED; NOT_YOURS_TO_APPROVE if somebody else asked for it;
 * what `administer` throws
 */
export async function withdrawRequest(
  deps: TenantDeps,
  ctx: RequestContext,
  principal: Principal,
  id: string,
): Promise<ApprovalRequest> {
  assertRowId(id);
  const authority = { via: 'api', principal } as const;
  return administer(deps, ctx, authority, 'TENANT_STAFF_VIEW', async (tx, administration) => {
    const request = await readOpen(tx, principal.tenantId, id);
    if (request.requesterStaffId !== principal.staffId) {
      throw new AppError('NOT_YOURS_TO_APPROVE', {
        detail: 'Only the member who asked for a change can withdraw it.',
      });
    }
    await settle(tx, ctx, administration, { request, decision: 'withdrawn' });
    return readDecided(tx, principal.tenantId, id);
  });
}
