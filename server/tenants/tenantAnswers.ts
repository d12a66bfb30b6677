import { z } from 'zod';
import { invitationDelivery } from '../db/schema';
import { moment, nextCursor, rowId } from '../http/answers';
import { APPROVAL_STATUSES } from './approvalStore';
import { INVITATION_STATUSES } from './invitationStore';

/** A member who acted; null if an operator did, or nobody has. */
const person = z.object({ staffId: rowId, email: z.string().nullable() }).nullable();
const email = z.string().meta({ examples: ['ada@example.com'] });
const roleIds = z.array(z.string()).meta({ examples: [['admin']] });
const permissions = z.array(z.string()).meta({ examples: [['TENANT_STAFF_VIEW']] });

/** The caller's tenant. */
export const currentTenant = z
  .object({
    id: rowId,
    slug: z.string(),
    name: z.string(),
    status: z.enum(['active', 'suspended', 'deleted']),
    createdAt: moment,
    needsApproval: z.boolean(),
    members: z
      .object({ active: z.int(), disabled: z.int() })
      .optional()
      .meta({ description: 'Only with TENANT_STAFF_VIEW' }),
  })
  .meta({ id: 'CurrentTenant' });

/** The rules by which members administer the tenant. */
export const shownTenantPolicy = z
  .object({ needsApproval: z.boolean() })
  .meta({ id: 'TenantPolicy' });

/** Every permission that can be given. */
export const knownPermissions = z
  .object({
    permissions: z.array(
      z.object({
        name: z.string(),
        description: z.string(),
        privileged: z.boolean(),
        builtIn: z.boolean(),
      }),
    ),
  })
  .meta({ id: 'Permissions' });

/** A role. */
export const shownRole = z
  .object({
    id: z.string().meta({ examples: ['admin'] }),
    name: z.string(),
    description: z.string(),
    permissions,
    builtIn: z.boolean(),
    holders: z.int(),
    updatedAt: moment.nullable(),
  })
  .meta({ id: 'Role' });

/** All roles of the tenant. */
export const shownRoles = z.object({ roles: z.array(shownRole) }).meta({ id: 'Roles' });

/** A request for an approval. */
export const shownApproval = z
  .object({
    id: rowId,
    kind: z.enum(['member', 'role', 'invitation', 'policy']),
    status: z.enum(APPROVAL_STATUSES),
    change: z.unknown().meta({ description: 'The change that was asked for' }),
    effect: z.unknown().meta({ description: 'Its result at that time' }),
    given: z.array(z.string()),
    approvers: z.array(z.string()),
    reason: z.string().nullable(),
    ticket: z.string().nullable(),
    subject: person,
    requestedBy: person,
    decidedBy: person,
    createdAt: moment,
    expiresAt: moment,
    decidedAt: moment.nullable(),
  })
  .meta({ id: 'Approval' });

/** The answer to a change that waits for a second administrator. */
export const waitingApproval = z
  .object({ approval: shownApproval })
  .meta({ id: 'WaitingApproval' });

/** A page of requests for an approval. */
export const shownApprovals = z
  .object({ approvals: z.array(shownApproval), nextCursor })
  .meta({ id: 'ApprovalPage' });

/** An invitation, without its link. */
export const shownInvitation = z
  .object({
    id: rowId,
    email,
    roles: roleIds,
    permissions,
    delivery: z.enum(invitationDelivery.enumValues),
    status: z.enum(INVITATION_STATUSES),
    invitedBy: person,
    createdAt: moment,
    sentAt: moment,
    expiresAt: moment,
    membershipEndsAt: moment.nullable(),
    acceptedAt: moment.nullable(),
    revokedAt: moment.nullable(),
    staffId: rowId.nullable(),
    ticket: z.string().nullable(),
  })
  .meta({ id: 'Invitation' });

/** An invitation that was just sent. */
export const sentInvitation = shownInvitation
  .extend({ link: z.string().optional().meta({ description: 'Only with delivery `link`' }) })
  .meta({ id: 'SentInvitation' });

/** A page of invitations. */
export const shownInvitations = z
  .object({ invitations: z.array(shownInvitation), nextCursor })
  .meta({ id: 'InvitationPage' });

/** An invitation, as the person who was invited sees it. */
export const invitationPreview = z
  .object({
    tenant: z.object({ name: z.string() }),
    email,
    expiresAt: moment,
    membershipEndsAt: moment.nullable(),
    needsCode: z.boolean(),
  })
  .meta({ id: 'InvitationPreview' });

/** A code that was mailed. */
export const sentInvitationCode = z
  .object({ sent: z.literal(true), expiresAt: moment, againAfterSec: z.int() })
  .meta({ id: 'InvitationCodeSent' });

/** An invitation that was accepted. */
export const acceptedInvitation = z
  .object({ tenant: z.object({ slug: z.string(), name: z.string() }), email })
  .meta({ id: 'AcceptedInvitation' });
