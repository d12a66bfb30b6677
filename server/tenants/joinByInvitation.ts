import { recordAudit } from '../audit';
import { lockMemberships, replaceByMail } from '../auth';
import type { Account, SessionMode } from '../auth';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { TenantDeps } from './deps';
import { SECOND_MS } from '../durations';
import { AppError } from '../errors';
import type { NoticeDeps } from '../mail';
import type { ErrorCode } from '../errors';
import { lockTenant } from './lifecycleStore';
import type { AccessPlan } from './changeAccess';
import { planOfInviter } from './inviterStands';
import { consumeInvitation, findInvitation, markRevoked, statusOf } from './invitationStore';
import type { Invitation } from './invitationStore';
import { findMembershipByEmail, isActivePerson, reviveStaff } from './joinStore';
import { insertStaff, insertUserIfNew } from './tenantStore';

/** The person who accepts an invitation: a new one with a password, or an existing one. */
export type Joiner =
  | { by: 'new_person'; passwordHash: string; name: string | null }
  | { by: 'first_password'; account: Account; passwordHash: string }
  | { by: 'password' | 'session'; userId: string };

type JoinDeps = NoticeDeps & Pick<TenantDeps, 'config'>;

/**
 * Finds or creates the person who accepts, and returns their id.
 * @throws AppError CONFLICT if the account was created, disabled or given another address meanwhile
 */
async function settlePerson(
  deps: JoinDeps,
  tx: Tx,
  { email }: Invitation,
  joiner: Joiner,
): Promise<string> {
  const now = deps.clock.now();
  if (joiner.by !== 'new_person') {
    const { userId } = joiner.by === 'first_password' ? joiner.account : joiner;
    if (!(await isActivePerson(tx, { userId, email }))) throw new AppError('CONFLICT');
    return userId;
  }
  const { id, created } = await insertUserIfNew(tx, {
    id: deps.random.id(),
    ...{ email, emailNormalized: true, name: joiner.name, passwordHash: joiner.passwordHash },
    ...{ passwordChangedAt: now, createdAt: now },
  });
  // Never replace the password of a person who exists.
  if (!created) throw new AppError('CONFLICT');
  return id;
}

/**
 * Sets the first password of a person who had none. It locks their memberships before the new one is
 * made, because other paths lock all memberships of a person in the order of their ids.
 * @throws AppError CONFLICT if they have set one in the meantime
 */
async function setFirst(
  deps: JoinDeps,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  { account, passwordHash }: Extract<Joiner, { by: 'first_password' }>,
): Promise<void> {
  const { userId, email, passwordChangedAt: setAt } = account;
  const memberships = await lockMemberships(tx, userId);
  const change = { userId, email, passwordHash, memberships, setAt };
  await replaceByMail(deps, tx, ctx, mode, change);
}

interface Joined {
  staffId: string;
  rejoined: boolean;
}

async function settleMembership(
  deps: JoinDeps,
  tx: Tx,
  { tenantId, email, membershipEndsAt: endsAt }: Invitation,
  userId: string,
  { after }: AccessPlan,
): Promise<Joined> {
  const former = await findMembershipByEmail(tx, tenantId, email);
  if (former) {
    await reviveStaff(tx, tenantId, { staffId: former.staffId, ...after, endsAt });
    return { staffId: former.staffId, rejoined: true };
  }
  const staffId = deps.random.id();
  const createdAt = deps.clock.now();
  await insertStaff(tx, { id: staffId, tenantId, userId, ...after, createdAt, endsAt });
  return { staffId, rejoined: false };
}

async function recordJoining(
  deps: JoinDeps,
  tx: Tx,
  asked: RequestContext,
  invitation: Invitation,
  joined: Joined & { plan: AccessPlan; by: Joiner['by'] },
): Promise<void> {
  const { id, tenantId, delivery, inviterStaffId, approvedBy, createdAt } = invitation;
  const { membershipEndsAt } = invitation;
  const { staffId, rejoined, plan } = joined;
  const ticket = invitation.ticket === null ? {} : { ticket: invitation.ticket };
  // The caller's session may be one of another tenant, which this tenant's log must not name.
  const ctx = { ...asked, tenantId, actor: staffId, sessionId: null, ...ticket };
  await recordAudit(tx, ctx, {
    action: 'STAFF_CREATED',
    outcome: 'success',
    subject: `staff:${staffId}`,
    details: {
      ...plan.after,
      ...(rejoined ? { rejoined } : {}),
      ...(membershipEndsAt === null ? {} : { endsAt: membershipEndsAt.toISOString() }),
      invitation: id,
      via: 'invitation',
      ...(inviterStaffId === null ? {} : { requestedBy: inviterStaffId }),
      ...(approvedBy === null ? {} : { approvedBy }),
      secondsToEffect: Math.max(0, deps.clock.now().getTime() - createdAt.getTime()) / SECOND_MS,
    },
  });
  await recordAudit(tx, ctx, {
    action: 'INVITATION_ACCEPTED',
    outcome: 'success',
    subject: `invitation:${id}`,
    details: { staffId, delivery, by: joined.by },
  });
}

/** Ends an invitation that cannot be accepted any more, and records it. */
async function revokeStale(
  deps: JoinDeps,
  tx: Tx,
  ctx: RequestContext,
  invitation: Invitation,
): Promise<void> {
  const { tenantId, id } = invitation;
  await markRevoked(tx, invitation, deps.clock.now());
  await recordAudit(tx, ctx, {
    action: 'INVITATION_REVOKED',
    outcome: 'success',
    tenantId,
    actor: 'system',
    sessionId: null,
    subject: `invitation:${id}`,
    details: { reason: 'not_valid', via: 'invitation' },
  });
}

/**
 * Makes a person a member by an invitation that was found open, under the lock of the tenant: the
 * membership and the consumed invitation are one transaction, so of many who accept at once one
 * succeeds. A former member becomes a member again, with what the invitation gives.
 * @param accepted the invitation as it was when the person proved who they are, and the person
 * @returns the code of the error to throw after the commit, if the invitation had to be revoked
 * @throws AppError NOT_FOUND if the link has ended, or the tenant is not active; INVITATION_EXPIRED;
 * CONFLICT if the person has changed in the meantime
 */
export async function joinByInvitation(
  deps: JoinDeps,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  { invitation: read, joiner }: { invitation: Invitation; joiner: Joiner },
): Promise<ErrorCode | undefined> {
  const { tenantId, id, linkId } = read;
  const tenant = await lockTenant(tx, tenantId);
  if (tenant?.status !== 'active') throw new AppError('NOT_FOUND');
  const invitation = await findInvitation(tx, tenantId, id);
  const now = deps.clock.now();
  const status = invitation && statusOf(invitation, now);
  if (status === 'expired') throw new AppError('INVITATION_EXPIRED');
  if (invitation?.linkId !== linkId || status !== 'open') throw new AppError('NOT_FOUND');
  const membership = await findMembershipByEmail(tx, tenantId, invitation.email);
  const isMember = membership !== undefined && membership.status !== 'removed';
  const plan = isMember ? undefined : await planOfInviter(tx, ctx, invitation);
  if (!plan) {
    await revokeStale(deps, tx, ctx, invitation);
    return isMember ? 'ALREADY_MEMBER' : 'INVITATION_NO_LONGER_VALID';
  }
  const userId = await settlePerson(deps, tx, invitation, joiner);
  if (joiner.by === 'first_password') await setFirst(deps, tx, ctx, mode, joiner);
  const joined = await settleMembership(deps, tx, invitation, userId, plan);
  const by = { staffId: joined.staffId, userId, now };
  if (!(await consumeInvitation(tx, invitation, by))) throw new AppError('NOT_FOUND');
  await recordJoining(deps, tx, ctx, invitation, { ...joined, plan, by: joiner.by });
  return undefined;
}
