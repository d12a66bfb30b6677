import { z } from 'zod';
import { contextOf, principalOf, provenCallerOf } from '../http/request';
import { json } from '../http/answers';
import { endpoint, pageFields } from '../http/routeTable';
import { ticketField } from '../http/ticketField';
import { readNeedsApproval } from './administrationStore';
import { APPROVAL_STATUSES } from './approvalStore';
import { approveRequest, refuseRequest, withdrawRequest } from './decideApproval';
import type { TenantDeps } from './deps';
import { findApproval, listApprovals, showApproval } from './listApprovals';
import { shownApproval, shownApprovals, shownTenantPolicy, waitingApproval } from './tenantAnswers';
import { changeTenantPolicy, tenantPolicyInput } from './tenantPolicy';

const approvalParams = z.object({ id: z.string() });

/** Strict and empty: nobody may believe that a reason was recorded. */
const decisionBody = z.strictObject({}).optional();

/** Strict, because a misspelt filter must not return everything. */
const approvalQuery = z.strictObject({
  status: z.enum(APPROVAL_STATUSES).optional().describe('The status of the request'),
  ...pageFields,
});

const DECIDED = ['NOT_YOURS_TO_APPROVE', 'NOT_FOUND', 'APPROVAL_CLOSED'] as const;

const policyRoutes = (deps: TenantDeps) => ({
  tenantPolicy: endpoint({
    summary: 'The rules by which the members of the tenant administer it',
    responses: { 200: json('The policy', shownTenantPolicy) },
    errors: [],
    async handle(req, res) {
      const needsApproval = await readNeedsApproval(deps.db, principalOf(req).tenantId);
      res.json({ needsApproval });
    },
  }),
  changeTenantPolicy: endpoint({
    summary: 'Change whether privileged permissions need a second administrator',
    body: tenantPolicyInput.extend({ ticket: ticketField.optional() }),
    responses: {
      200: json('The policy', shownTenantPolicy),
      202: json('The change waits for a second administrator', waitingApproval),
    },
    errors: [
      'NOT_FOUND: the tenant was deleted',
      'TOO_FEW_ADMINISTRATORS',
      'NO_APPROVER',
      'TOO_MANY_APPROVALS',
    ],
    async handle(req, res, { body: { ticket, ...policy } }) {
      const ctx = contextOf(req, ticket);
      const done = await changeTenantPolicy(deps, ctx, provenCallerOf(req), policy);
      if (done.approval) res.status(202).json({ approval: showApproval(done.approval) });
      else res.json(done.policy);
    },
  }),
});

const readRoutes = (deps: TenantDeps) => ({
  approvals: endpoint({
    summary: 'Changes that wait, or waited, for a second administrator, newest first',
    query: approvalQuery,
    responses: { 200: json('A page of requests', shownApprovals) },
    errors: [],
    async handle(req, res, { query }) {
      res.json(await listApprovals(deps.db, principalOf(req).tenantId, query));
    },
  }),
  approval: endpoint({
    summary: 'One request for an approval',
    params: approvalParams,
    responses: { 200: json('The request', shownApproval) },
    errors: ['NOT_FOUND'],
    async handle(req, res, { params }) {
      res.json(await findApproval(deps.db, principalOf(req).tenantId, params.id));
    },
  }),
});

const decisionRoutes = (deps: TenantDeps) => ({
  approve: endpoint({
    summary: 'Approve a change that somebody else asked for, which makes it',
    params: approvalParams,
    body: decisionBody,
    responses: { 200: json('The request; the change is made', shownApproval) },
    errors: [
      'NOT_YOURS_TO_APPROVE',
      'NOT_YOURS_TO_GIVE',
      'NOT_YOURS_TO_MANAGE',
      'NOT_FOUND',
      'APPROVAL_CLOSED',
      'APPROVAL_OUTDATED: the request has ended',
      'LAST_ADMINISTRATOR',
      'CONFLICT',
    ],
    async handle(req, res, { params }) {
      const done = await approveRequest(deps, contextOf(req), provenCallerOf(req), params.id);
      res.json(showApproval(done));
    },
  }),
  refuse: endpoint({
    summary: 'Refuse a change that somebody else asked for',
    params: approvalParams,
    body: decisionBody,
    responses: { 200: json('The request', shownApproval) },
    errors: DECIDED,
    async handle(req, res, { params }) {
      const done = await refuseRequest(deps, contextOf(req), provenCallerOf(req), params.id);
      res.json(showApproval(done));
    },
  }),
  withdraw: endpoint({
    summary: 'Withdraw a change that you asked for',
    params: approvalParams,
    body: decisionBody,
    responses: { 200: json('The request', shownApproval) },
    errors: DECIDED,
    async handle(req, res, { params }) {
      const done = await withdrawRequest(deps, contextOf(req), principalOf(req), params.id);
      res.json(showApproval(done));
    },
  }),
});

/** The routes of the policy and of approvals; the route table holds their permissions. */
export const approvalRoutes = (deps: TenantDeps) => ({
  ...policyRoutes(deps),
  ...readRoutes(deps),
  ...decisionRoutes(deps),
});
