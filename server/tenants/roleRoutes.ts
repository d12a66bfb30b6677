import type { Response } from 'express';
import { z } from 'zod';
import { contextOf, principalOf, provenCallerOf } from '../http/request';
import { json, noBody } from '../http/answers';
import { endpoint, instant } from '../http/routeTable';
import { ticketField } from '../http/ticketField';
import { changeRole } from './changeRole';
import { createRole } from './createRole';
import type { TenantDeps } from './deps';
import { listPermissions } from './knownPermissions';
import { showApproval } from './listApprovals';
import { listRoles, showRole } from './listRoles';
import { removeRole } from './removeRole';
import { roleInput } from './roleInput';
import type { RoleOutcome } from './roleOutcome';
import { knownPermissions, shownRole, shownRoles, waitingApproval } from './tenantAnswers';

const roleParams = z.object({ id: z.string() });
const createBody = roleInput.extend({ ticket: ticketField.optional() });
const changeBody = createBody.extend({
  updatedAt: instant.optional().meta({
    description: 'The updatedAt that you have read: 409 CONFLICT if the role has changed since',
  }),
});

const readRoutes = (deps: TenantDeps) => ({
  permissions: endpoint({
    summary: 'Every permission that can be given, built in and of the team',
    responses: { 200: json('The permissions', knownPermissions) },
    errors: [],
    async handle(_req, res) {
      res.json({ permissions: await listPermissions(deps.db) });
    },
  }),
  roles: endpoint({
    summary: "The built-in roles and the tenant's own, with the number of members who carry each",
    responses: { 200: json('The roles', shownRoles) },
    errors: [],
    async handle(req, res) {
      res.json({ roles: await listRoles(deps.db, principalOf(req).tenantId) });
    },
  }),
  role: endpoint({
    summary: 'One role',
    params: roleParams,
    responses: { 200: json('The role', shownRole) },
    errors: ['NOT_FOUND'],
    async handle(req, res, { params }) {
      res.json(await showRole(deps.db, principalOf(req).tenantId, params.id));
    },
  }),
});

/** Answers with the role, or with 202 and the request if the change waits for an approval. */
function answer(res: Response, status: number, { role, approval }: RoleOutcome): void {
  if (approval) res.status(202).json({ approval: showApproval(approval) });
  else res.status(status).json(role);
}

const changeRoutes = (deps: TenantDeps) => ({
  createRole: endpoint({
    summary: "Create a role of the tenant's own",
    body: createBody,
    responses: {
      201: json('The role', shownRole),
      202: json('The role waits for a second administrator', waitingApproval),
    },
    errors: [
      'NOT_FOUND: the tenant was deleted',
      'UNKNOWN_PERMISSION',
      'NOT_YOURS_TO_GIVE',
      'ROLE_NAME_TAKEN',
      'TOO_MANY_ROLES',
      'NO_APPROVER',
      'TOO_MANY_APPROVALS',
    ],
    async handle(req, res, { body: { ticket, ...input } }) {
      const ctx = contextOf(req, ticket);
      answer(res, 201, await createRole(deps, ctx, provenCallerOf(req), input));
    },
  }),
  changeRole: endpoint({
    summary: "Change a role of the tenant's own, and the permissions of everybody who carries it",
    params: roleParams,
    body: changeBody,
    responses: {
      200: json('The role', shownRole),
      202: json('The change waits for a second administrator', waitingApproval),
    },
    errors: [
      'UNKNOWN_PERMISSION',
      'NOT_YOURS_TO_GIVE',
      'NOT_YOURS_TO_MANAGE',
      'NOT_FOUND',
      'BUILT_IN_ROLE',
      'ROLE_NAME_TAKEN',
      'LAST_ADMINISTRATOR',
      'NO_APPROVER',
      'TOO_MANY_APPROVALS',
      'CONFLICT: the role has changed since you read it',
    ],
    async handle(req, res, { params, body: { updatedAt: seen, ticket, ...set } }) {
      const ctx = contextOf(req, ticket);
      const change = { id: params.id, set, seen };
      answer(res, 200, await changeRole(deps, ctx, provenCallerOf(req), change));
    },
  }),
  deleteRole: endpoint({
    summary: "Delete a role of the tenant's own that nobody carries",
    params: roleParams,
    body: z.strictObject({ ticket: ticketField.optional() }).optional(),
    responses: { 204: noBody('Deleted') },
    errors: ['NOT_FOUND', 'BUILT_IN_ROLE', 'ROLE_IN_USE: with the number of holders'],
    async handle(req, res, { params, body }) {
      await removeRole(deps, contextOf(req, body?.ticket), provenCallerOf(req), params.id);
      res.status(204).end();
    },
  }),
});

/** The routes of permissions and roles; the route table holds their permissions. */
export const roleRoutes = (deps: TenantDeps) => ({ ...readRoutes(deps), ...changeRoutes(deps) });
