import type { Json } from '../../tlog/canonicalJson';
import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { ApprovalKind } from '../db/schema';
import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { queueApprovalMail } from '../mail';
import type { Administration } from './administration';
import { readActor } from './administrationStore';
import { countOpenRequests, insertApproval, listHoldersOfAll, readApproval } from './approvalStore';
import type { ApprovalRequest } from './approvalStore';

/** The requester and the approver of a change, if they are not its actor. */
export interface Provenance {
  via: 'api' | 'operator';
  requestedBy?: string;
  approvedBy?: string;
  /** From the request to the effect, in seconds. */
  secondsToEffect?: number;
  /** The reason that was given for it. */
  reason?: string;
}

/** A member with their permissions. */
export interface HeldBy {
  readonly staffId: string;
  readonly permissions: readonly string[];
}

/**
 * A change that was worked out and checked for one actor, and not yet written. A change that needs
 * an approval is prepared twice: when it is asked for, and when it is approved.
 */
export interface PreparedChange {
  /** The result of the change. If the approval would give another one, the request is outdated. */
  readonly effect: Json;
  /** The member, role or other thing that the change is about, as `kind:id`; null for a new one. */
  readonly about: string | null;
  /** The member whose permissions are changed, if it is a single one. */
  readonly subject?: string;
  /** The permissions that somebody would hold in addition. */
  readonly given: readonly string[];
  /** The members whom the change concerns: the actor must be able to manage all of them. */
  readonly members: readonly HeldBy[];
  /** Writes the change and its events in the transaction in which it was prepared. */
  write(ctx: RequestContext, provenance: Provenance): Promise<unknown>;
}

/**
 * Returns whether a change has to wait for a second administrator.
 * @param privileged the permissions that it gives and that need one
 */
export const needsSecond = (
  { actor, needsApproval }: Administration,
  privileged: readonly string[],
): boolean => needsApproval && actor.kind === 'member' && privileged.length > 0;

/** Open requests of a tenant. */
const MOST_OPEN = 100;
/** Administrators who get a mail about a request. All who can approve find it in the list. */
const MOST_MAILED = 10;

/**
 * Stores a change as a request for an approval, instead of writing it. Only the members who could
 * approve it now will be able to, so nobody whom the requester invites or promotes afterwards can.
 * @param wanted the change, in the form from which its kind prepares it again
 * @returns the request
 * @throws AppError NO_APPROVER if nobody else could approve it; TOO_MANY_APPROVALS
 */
export async function requestApproval(
  deps: Pick<TenantDeps, 'random' | 'keys' | 'clock' | 'mail'>,
  tx: Tx,
  ctx: RequestContext,
  administration: Administration,
  request: {
    kind: ApprovalKind;
    wanted: Json;
    prepared: PreparedChange;
    reason?: string | undefined;
  },
): Promise<ApprovalRequest> {
  const { tenantId, actor } = administration;
  if (actor.kind !== 'member') throw new Error('operators need no approval');
  const { kind, wanted, prepared, reason } = request;
  const { subject, about, effect } = prepared;
  const given = [...prepared.given];
  const except = [actor.staffId, ...(subject === undefined ? [] : [subject])];
  const permissions = ['TENANT_ROLES_MANAGE', ...given];
  const approvers = await listHoldersOfAll(tx, tenantId, { permissions, except });
  if (approvers.length === 0) throw new AppError('NO_APPROVER');
  if ((await countOpenRequests(tx, tenantId)) >= MOST_OPEN)
    throw new AppError('TOO_MANY_APPROVALS');
  const person = subject === undefined ? undefined : await readActor(tx, tenantId, subject);
  const id = deps.random.id();
  await insertApproval(tx, tenantId, {
    ...{ id, kind, reason: reason ?? null, ticket: ctx.ticket ?? null },
    subject:
      subject === undefined || person === undefined
        ? undefined
        : { staffId: subject, userId: person.userId },
    change: { wanted, effect, about, given, approvers },
    requester: { staffId: actor.staffId, userId: actor.userId },
  });
  const stored = await readApproval(tx, tenantId, id);
  if (!stored) throw new Error('a request for an approval was not stored');
  await recordAudit(tx, ctx, {
    action: 'APPROVAL_REQUESTED',
    outcome: 'success',
    tenantId,
    subject: `approval:${id}`,
    details: {
      ...{ kind, about, given, expiresAt: stored.expiresAt.toISOString(), via: 'api' },
      ...(reason === undefined ? {} : { reason }),
    },
  });
  const { expiresAt, requesterEmail } = stored;
  const asked = { id, requester: requesterEmail ?? 'A member', given, expiresAt };
  for (const staffId of approvers.slice(0, MOST_MAILED)) {
    await queueApprovalMail(deps, tx, { tenantId, staffId }, asked);
  }
  return stored;
}
