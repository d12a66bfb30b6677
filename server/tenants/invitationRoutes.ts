import { z } from 'zod';
import { invitationDelivery } from '../db/schema';
import type { TenantDeps } from './deps';
import { contextOf, principalOf, provenCallerOf } from '../http/request';
import { endpoint, pageFields } from '../http/routeTable';
import { ticketField } from '../http/ticketField';
import { createInvitation, invitationInput } from './createInvitation';
import type { SentInvitation } from './createInvitation';
import { showApproval } from './listApprovals';
import { INVITATION_STATUSES } from './invitationStore';
import { listInvitations, showInvitation, showInvitationOf } from './listInvitations';
import { resendInvitation } from './resendInvitation';
import { revokeInvitation } from './revokeInvitation';

const createBody = invitationInput.extend({ ticket: ticketField.optional() });
const resendBody = z
  .strictObject({
    delivery: z.enum(invitationDelivery.enumValues).optional(),
    ticket: ticketField.optional(),
  })
  .optional();
const params = z.object({ id: z.string() });
/** Strict, so that a misspelt filter is an error and does not return everything. */
const listQuery = z.strictObject({
  status: z.enum(INVITATION_STATUSES).optional(),
  ...pageFields,
});

/** Returns an invitation that was just sent, with its link if it is to be handed over. */
export function showSent(
  { clock }: Pick<TenantDeps, 'clock'>,
  { invitation, link }: SentInvitation,
) {
  const shown = showInvitation(invitation, clock.now());
  return link === undefined ? shown : { ...shown, link };
}

const readRoutes = (deps: TenantDeps) => ({
  invitations: endpoint({
    summary: 'The invitations of the tenant, newest first, without their links',
    query: listQuery,
    responses: { 200: 'A page of invitations', 403: 'FORBIDDEN' },
    async handle(req, res, { query }) {
      res.json(await listInvitations(deps, principalOf(req).tenantId, query));
    },
  }),
  invitation: endpoint({
    summary: 'One invitation, without its link',
    params,
    responses: { 200: 'The invitation', 403: 'FORBIDDEN', 404: 'NOT_FOUND' },
    async handle(req, res, input) {
      res.json(await showInvitationOf(deps, principalOf(req).tenantId, input.params.id));
    },
  }),
});

/** The routes by which a tenant's administrators manage invitations. */
export const invitationRoutes = (deps: TenantDeps) => ({
  ...readRoutes(deps),
  createInvitation: endpoint({
    summary: 'Invite somebody to the tenant, by mail or with a link to hand over',
    body: createBody,
    responses: {
      201: 'The invitation; with delivery link also its link, once',
      202: '`approval`: the invitation waits for a second administrator',
      400: 'INVALID_INPUT, UNKNOWN_ROLE or UNKNOWN_PERMISSION',
      403: 'FORBIDDEN or NOT_YOURS_TO_GIVE',
      409: 'ALREADY_MEMBER, INVITATION_OPEN with its invitationId, TOO_MANY_INVITATIONS or METHOD_UNAVAILABLE',
      428: 'STEP_UP_REQUIRED',
      429: 'TOO_MANY_ATTEMPTS: the address has had its invitations of today',
    },
    async handle(req, res, { body: { ticket, ...input } }) {
      const ctx = contextOf(req, ticket);
      const done = await createInvitation(deps, ctx, provenCallerOf(req), input);
      if (done.approval) res.status(202).json({ approval: showApproval(done.approval) });
      else res.status(201).json(showSent(deps, done));
    },
  }),
  resendInvitation: endpoint({
    summary: 'Send an open or expired invitation again, with a new link; the earlier link ends',
    params,
    body: resendBody,
    responses: {
      200: 'The invitation; with delivery link also its link, once',
      403: 'FORBIDDEN or NOT_YOURS_TO_GIVE',
      404: 'NOT_FOUND',
      409: 'INVITATION_CLOSED, INVITATION_NO_LONGER_VALID, ALREADY_MEMBER, TOO_MANY_INVITATIONS or METHOD_UNAVAILABLE',
      428: 'STEP_UP_REQUIRED',
      429: 'TOO_MANY_ATTEMPTS: the address has had its invitations of today',
    },
    async handle(req, res, { params: { id }, body }) {
      const { delivery, ticket } = body ?? {};
      const ctx = contextOf(req, ticket);
      const sent = await resendInvitation(deps, ctx, provenCallerOf(req), { id, delivery });
      res.json(showSent(deps, sent));
    },
  }),
  revokeInvitation: endpoint({
    summary: 'Revoke an open invitation: its link ends',
    params,
    responses: {
      204: 'Revoked',
      403: 'FORBIDDEN',
      404: 'NOT_FOUND',
      409: 'INVITATION_CLOSED',
    },
    async handle(req, res, { params: { id } }) {
      const { tenantId } = principalOf(req);
      await revokeInvitation(deps, contextOf(req), { tenantId, id }, 'api');
      res.status(204).end();
    },
  }),
});
