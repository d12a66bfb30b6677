import { z } from 'zod';
import { invitationDelivery } from '../db/schema';
import type { TenantDeps } from './deps';
import { contextOf, principalOf, provenCallerOf } from '../http/request';
import { json, noBody } from '../http/answers';
import { endpoint, pageFields } from '../http/routeTable';
import { ticketField } from '../http/ticketField';
import { createInvitation, invitationInput } from './createInvitation';
import type { SentInvitation } from './createInvitation';
import { showApproval } from './listApprovals';
import { INVITATION_STATUSES } from './invitationStore';
import { listInvitations, showInvitation, showInvitationOf } from './listInvitations';
import { resendInvitation } from './resendInvitation';
import { revokeInvitation } from './revokeInvitation';
import {
  sentInvitation,
  shownInvitation,
  shownInvitations,
  waitingApproval,
} from './tenantAnswers';

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
  status: z.enum(INVITATION_STATUSES).optional().describe('The status of the invitation'),
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
    responses: { 200: json('A page of invitations', shownInvitations) },
    errors: [],
    async handle(req, res, { query }) {
      res.json(await listInvitations(deps, principalOf(req).tenantId, query));
    },
  }),
  invitation: endpoint({
    summary: 'One invitation, without its link',
    params,
    responses: { 200: json('The invitation', shownInvitation) },
    errors: ['NOT_FOUND'],
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
      201: json('The invitation; with delivery link also its link, once', sentInvitation),
      202: json('The invitation waits for a second administrator', waitingApproval),
    },
    errors: [
      'NOT_FOUND: the tenant was deleted',
      'UNKNOWN_ROLE',
      'UNKNOWN_PERMISSION',
      'NOT_YOURS_TO_GIVE',
      'ALREADY_MEMBER',
      'INVITATION_OPEN: with its invitationId',
      'TOO_MANY_INVITATIONS',
      'METHOD_UNAVAILABLE',
      'NO_APPROVER',
      'TOO_MANY_APPROVALS',
      'TOO_MANY_ATTEMPTS: the address has had its invitations of today',
    ],
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
      200: json('The invitation; with delivery link also its link, once', sentInvitation),
    },
    errors: [
      'NOT_YOURS_TO_GIVE',
      'NOT_FOUND',
      'INVITATION_CLOSED',
      'INVITATION_NO_LONGER_VALID',
      'INVITATION_OPEN: another one to the same address',
      'ALREADY_MEMBER',
      'TOO_MANY_INVITATIONS',
      'METHOD_UNAVAILABLE',
      'TOO_MANY_ATTEMPTS: the address has had its invitations of today',
    ],
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
    responses: { 204: noBody('Revoked') },
    errors: ['NOT_FOUND', 'INVITATION_CLOSED'],
    async handle(req, res, { params: { id } }) {
      const { tenantId } = principalOf(req);
      await revokeInvitation(deps, contextOf(req), { tenantId, id }, 'api');
      res.status(204).end();
    },
  }),
});
