import { z } from 'zod';
import type { Json } from '../../tlog/canonicalJson';
import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { invitationDelivery } from '../db/schema';
import type { TenantDeps } from './deps';
import { HOUR_MS } from '../durations';
import { AppError } from '../errors';
import { emailField } from '../http/emailAddress';
import { retryAfter } from '../http/retryAfter';
import { boundedList, storableText } from '../http/routeTable';
import { queueMail, writeInvitation } from '../mail';
import type { ApprovalRequest } from './approvalStore';
import { needsSecond, requestApproval } from './requestApproval';
import type { PreparedChange, Provenance } from './requestApproval';
import { countMailTo, mailsFreeAt } from '../security';
import { administer } from './administer';
import type { Authority } from './administer';
import { assertMayGive } from './administration';
import type { Administration } from './administration';
import { readTenant } from './lifecycleStore';
import { planAccess } from './changeAccess';
import { inOrder } from './effectivePermissions';
import type { AccessPlan } from './changeAccess';
import { toInvitationLink } from './invitationLink';
import { countOpen, findPending, insertInvitation, markRevoked, statusOf } from './invitationStore';
import type { Invitation, ListedInvitation } from './invitationStore';
import { findMembershipByEmail } from './joinStore';
import { assertMayGiveUntil, assertPossibleEnd, membershipEnd } from './membershipEnd';
import { permissionList } from './roleInput';
import { findStaffById } from './tenantStore';

const MOST_OPEN = 1000;
const MOST_ROLES = 100;

/** The access that an invitation gives, and its delivery. */
export const invitationInput = z.strictObject({
  email: emailField,
  roles: boundedList(storableText(64), MOST_ROLES),
  permissions: permissionList.default([]),
  membershipEndsAt: membershipEnd
    .nullable()
    .default(null)
    .describe('When the membership ends by itself; null if it has no end'),
  delivery: z.enum(invitationDelivery.enumValues).meta({
    description: 'link: the answer has the link, once, to hand it over',
  }),
});

export type InvitationInput = z.output<typeof invitationInput>;

/** An invitation that was just sent. */
export interface SentInvitation {
  invitation: ListedInvitation;
  /** Only for the delivery by link. It is shown once. */
  link: string | undefined;
}

type Promised = Pick<InvitationInput, 'roles' | 'permissions' | 'membershipEndsAt'>;

async function planPromised(
  tx: Tx,
  administration: Administration,
  { roles, permissions: set, membershipEndsAt }: Promised,
): Promise<AccessPlan> {
  const nothing = { roles: [], permissions: [] };
  const plan = await planAccess(tx, administration.tenantId, nothing, {
    roles,
    permissions: { set },
  });
  assertMayGive(administration, plan.added);
  assertMayGiveUntil(administration, membershipEndsAt);
  return plan;
}

/**
 * Works out what an invitation gives, and checks that the actor of the administration may give it.
 * @throws AppError UNKNOWN_ROLE, UNKNOWN_PERMISSION, NOT_YOURS_TO_GIVE; FORBIDDEN if the tenant's
 * policy demands an approval that was not given
 */
export async function planInvitation(
  tx: Tx,
  administration: Administration,
  promised: Promised & { approvedBy?: string | null },
): Promise<AccessPlan> {
  const plan = await planPromised(tx, administration, promised);
  const approved = typeof promised.approvedBy === 'string';
  if (needsSecond(administration, plan.privileged) && !approved) {
    throw new AppError('FORBIDDEN', {
      detail: `Giving ${plan.privileged.join(', ')} needs the approval of a second administrator.`,
    });
  }
  return plan;
}

/**
 * Queues the mail of an invitation, if it goes by mail.
 * @returns the invitation with its inviter's address, and the link to show if it is handed over
 * @throws AppError METHOD_UNAVAILABLE if the server sends no mail, or PUBLIC_URL is not set;
 * TOO_MANY_ATTEMPTS if the tenant has mailed this address too often today
 */
export async function deliverInvitation(
  deps: TenantDeps,
  tx: Tx,
  invitation: Invitation,
): Promise<SentInvitation> {
  const { tenantId, linkId, email, delivery, expiresAt, inviterStaffId } = invitation;
  const { membershipEndsAt } = invitation;
  const link = toInvitationLink(deps, linkId);
  const inviter = inviterStaffId ? await findStaffById(tx, tenantId, inviterStaffId) : undefined;
  const listed = { ...invitation, inviterEmail: inviter?.email ?? null };
  if (delivery === 'link') return { invitation: listed, link };
  if (!deps.mail.isAvailable()) {
    throw new AppError('METHOD_UNAVAILABLE', {
      detail: 'This server sends no mail. Choose the delivery link.',
    });
  }
  const now = deps.clock.now();
  const counted = { kind: 'invitation-mail', to: email, from: tenantId, now } as const;
  if (!(await countMailTo(deps, tx, counted))) {
    throw new AppError('TOO_MANY_ATTEMPTS', {
      detail: 'This address has had its invitations of today. Send it again tomorrow.',
      headers: retryAfter(now, mailsFreeAt(now)),
    });
  }
  const tenantName = (await readTenant(tx, tenantId))?.name ?? '';
  await queueMail(deps, tx, {
    ...{ tenantId, userId: null, staffId: null, to: email, kind: 'invitation', expiresAt },
    ...writeInvitation({ tenantName, inviter: inviter?.email, link, expiresAt, membershipEndsAt }),
  });
  return { invitation: listed, link: undefined };
}

/**
 * Returns the time at which an invitation that is sent now expires: not after the end of the
 * membership that it makes.
 */
export function expiryOf(
  { clock, config }: Pick<TenantDeps, 'clock' | 'config'>,
  membershipEndsAt: Date | null,
): Date {
  const expiry = clock.now().getTime() + config.invitationTtlHours * HOUR_MS;
  return new Date(Math.min(expiry, membershipEndsAt?.getTime() ?? Infinity));
}

/** @throws AppError TOO_MANY_INVITATIONS */
export async function assertRoom(tx: Tx, tenantId: string, now: Date): Promise<void> {
  if ((await countOpen(tx, tenantId, now)) >= MOST_OPEN) {
    throw new AppError('TOO_MANY_INVITATIONS');
  }
}

/** @throws AppError ALREADY_MEMBER, also for a disabled member */
export async function assertNoMember(tx: Tx, tenantId: string, email: string): Promise<void> {
  const membership = await findMembershipByEmail(tx, tenantId, email);
  if (membership && membership.status !== 'removed') throw new AppError('ALREADY_MEMBER');
}

/** Ends an expired invitation of the same address. @throws AppError INVITATION_OPEN */
async function replaceExpired(
  tx: Tx,
  ctx: RequestContext,
  tenantId: string,
  { email, via, now }: { email: string; via: 'api' | 'operator'; now: Date },
): Promise<void> {
  const before = await findPending(tx, tenantId, email);
  if (!before) return;
  if (statusOf(before, now) === 'open') {
    throw new AppError('INVITATION_OPEN', { extra: { invitationId: before.id } });
  }
  await markRevoked(tx, before, now);
  await recordAudit(tx, ctx, {
    action: 'INVITATION_REVOKED',
    outcome: 'success',
    tenantId,
    subject: `invitation:${before.id}`,
    details: { reason: 'replaced', via },
  });
}

/**
 * Writes an invitation in an administration that was begun, sends it, and records it.
 * @throws what {@link createInvitation} throws
 */
export async function writeInvitationOf(
  deps: TenantDeps,
  tx: Tx,
  ctx: RequestContext,
  administration: Administration,
  { email, delivery, ...promised }: InvitationInput,
  { via, approvedBy, secondsToEffect }: Provenance,
): Promise<SentInvitation> {
  const { tenantId, actor } = administration;
  const origin = {
    ...(approvedBy === undefined ? {} : { approvedBy }),
    ...(secondsToEffect === undefined ? {} : { secondsToEffect }),
  };
  const plan = await planInvitation(tx, administration, {
    ...promised,
    approvedBy: approvedBy ?? null,
  });
  const now = deps.clock.now();
  await assertNoMember(tx, tenantId, email);
  await replaceExpired(tx, ctx, tenantId, { email, via, now });
  await assertRoom(tx, tenantId, now);
  const inviter = actor.kind === 'member' ? actor : { staffId: null, userId: null };
  const permissions = inOrder(promised.permissions);
  const invitation = await insertInvitation(tx, {
    id: deps.random.id(),
    tenantId,
    linkId: deps.random.id(),
    ...{ email, delivery, roles: plan.after.roles, permissions, approvedBy: approvedBy ?? null },
    inviterStaffId: inviter.staffId,
    inviterUserId: inviter.userId,
    ...{ createdAt: now, sentAt: now, expiresAt: expiryOf(deps, promised.membershipEndsAt) },
    membershipEndsAt: promised.membershipEndsAt,
    ticket: ctx.ticket ?? null,
  });
  await recordAudit(tx, ctx, {
    action: 'INVITATION_CREATED',
    outcome: 'success',
    tenantId,
    subject: `invitation:${invitation.id}`,
    details: {
      ...{ roles: invitation.roles, permissions, gives: plan.after.permissions, delivery },
      expiresAt: invitation.expiresAt.toISOString(),
      ...(invitation.membershipEndsAt === null
        ? {}
        : { membershipEndsAt: invitation.membershipEndsAt.toISOString() }),
      ...{ via, ...origin },
      ...(inviter.staffId === null ? {} : { requestedBy: inviter.staffId }),
    },
  });
  return deliverInvitation(deps, tx, invitation);
}

/**
 * Prepares an invitation for the actor of an administration. It may be approved later, so whether
 * the approval is still needed is not decided here.
 * @throws what {@link createInvitation} throws
 */
async function prepareInvitation(
  deps: TenantDeps,
  tx: Tx,
  administration: Administration,
  input: InvitationInput,
): Promise<PreparedChange & { privileged: readonly string[] }> {
  const { email, membershipEndsAt } = input;
  assertPossibleEnd('membershipEndsAt', membershipEndsAt, deps.clock.now());
  const plan = await planPromised(tx, administration, input);
  await assertNoMember(tx, administration.tenantId, email);
  return {
    effect: {
      ...{ email, ...plan.after },
      ...(membershipEndsAt === null ? {} : { membershipEndsAt: membershipEndsAt.toISOString() }),
    },
    about: null,
    given: plan.added,
    privileged: plan.privileged,
    members: [],
    write: (ctx, provenance) => writeInvitationOf(deps, tx, ctx, administration, input, provenance),
  };
}

/** Prepares an invitation again that waited for an approval. @throws ZodError for another form */
export const prepareStoredInvitation = (
  deps: TenantDeps,
  tx: Tx,
  administration: Administration,
  wanted: Json,
): Promise<PreparedChange> =>
  prepareInvitation(deps, tx, administration, invitationInput.parse(wanted));

/** An invitation that was sent, or a request that waits for a second administrator. */
export type InvitationOutcome =
  (SentInvitation & { approval?: undefined }) | { approval: ApprovalRequest };

/**
 * Invites somebody to a tenant. If the tenant's policy demands an approval of what the invitation
 * gives, the invitation waits for it. It is sent once it is approved. A link to hand over is then
 * shown only to the member who sends the invitation again.
 * @throws AppError NOT_YOURS_TO_GIVE, UNKNOWN_ROLE, UNKNOWN_PERMISSION, ALREADY_MEMBER,
 * INVITATION_OPEN with the id of the open one, TOO_MANY_INVITATIONS, METHOD_UNAVAILABLE,
 * NO_APPROVER, and what `administer` throws
 */
export async function createInvitation(
  deps: TenantDeps,
  ctx: RequestContext,
  authority: Authority,
  input: InvitationInput,
): Promise<InvitationOutcome> {
  const { via } = authority;
  return administer<InvitationOutcome>(
    deps,
    ctx,
    authority,
    'TENANT_STAFF_MANAGE',
    async (tx, administration) => {
      const prepared = await prepareInvitation(deps, tx, administration, input);
      if (!needsSecond(administration, prepared.privileged)) {
        return writeInvitationOf(deps, tx, ctx, administration, input, { via });
      }
      const wanted = {
        ...input,
        membershipEndsAt: input.membershipEndsAt?.toISOString() ?? null,
      };
      const request = { kind: 'invitation' as const, wanted, prepared };
      return { approval: await requestApproval(deps, tx, ctx, administration, request) };
    },
  );
}
