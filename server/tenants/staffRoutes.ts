import type { Request } from 'express';
import { z } from 'zod';
import { memberSessions } from '../auth';
import { assertRowId } from '../db/ids';
import { accountStatus } from '../db/schema';
import { contextOf, passageOf, principalOf } from '../http/request';
import { json, noBody } from '../http/answers';
import type { ErrorNote } from '../http/errorSchemas';
import { boundedList, endpoint, pageFields, storableText } from '../http/routeTable';
import { ticketField } from '../http/ticketField';
import { PERMISSION_NAME } from '../permissions';
import { changeAccess } from './changeAccess';
import { changeMembershipEnd } from './changeMembershipEnd';
import { disableStaff, enableStaff } from './changeStaffStatus';
import type { TenantDeps } from './deps';
import { forceLogoutMember } from './forceLogout';
import { forceLogoutAll } from './forceLogoutAll';
import { showApproval } from './listApprovals';
import { listStaff, showStaff } from './listStaff';
import {
  changedAccess,
  changedEnd,
  endedSessions,
  removedFactors,
  shownMember,
  shownMembers,
} from './staffAnswers';
import { waitingApproval } from './tenantAnswers';
import { membershipEnd } from './membershipEnd';
import { permissionList } from './roleInput';
import { removeStaff } from './removeStaff';
import { resetFactors } from './resetFactors';
import type { MemberAct, StaffIds } from './staffAct';
import { endSessionOfMember, listSessionsOf } from './staffSessions';

const reason = storableText(500).refine((text) => text.trim() !== '', 'must not be blank');
/** A request elsewhere and a reason, for the audit log. */
const why = { ticket: ticketField.optional(), reason: reason.optional() };
const whyBody = z.strictObject(why).optional();
const roleId = storableText(64);

/** Strict, so that a misspelt filter is an error and does not return everybody. */
const staffQuery = z.strictObject({
  search: storableText(200).optional().describe('A part of the name or of the address'),
  status: z.enum(accountStatus.enumValues).optional().describe('The status of the member'),
  role: roleId.optional().describe('A role that the member holds'),
  permission: z
    .string()
    .regex(PERMISSION_NAME, 'must be a permission')
    .optional()
    .describe('A permission that the member has'),
  ...pageFields,
});
const sessionsQuery = z.strictObject(pageFields);
const staffParams = z.object({ id: z.string() });
const sessionParams = z.object({ id: z.string(), sessionId: z.string() });
const rolesBody = z.strictObject({
  roles: boundedList(roleId, 50),
  permissions: permissionList
    .optional()
    .meta({ description: 'All permissions that are held directly; unchanged if omitted' }),
  ...why,
});
const endBody = z.strictObject({
  endsAt: membershipEnd.nullable().describe('When the membership ends by itself; null: never'),
  ...why,
});
const resetBody = z.strictObject({ ticket: ticketField.optional(), reason });
const everybodyBody = z
  .strictObject({ ticket: ticketField.optional(), includeMe: z.boolean().default(false) })
  .optional();

/** Returns the member in the path. A text that is not an id matches no member. */
function memberOf(req: Request, id: string): StaffIds {
  assertRowId(id);
  return { tenantId: principalOf(req).tenantId, staffId: id };
}

/** The caller's act, with the proof that it consumes if the route asks for one. */
function actOf(
  { clock }: Pick<TenantDeps, 'clock'>,
  req: Request,
  given: { reason?: string | undefined } = {},
): MemberAct {
  const proof = req.stepUp ? { passage: passageOf(req) } : {};
  const said = given.reason === undefined ? {} : { reason: given.reason };
  return { via: 'api', principal: principalOf(req), ...proof, askedAt: clock.now(), ...said };
}

const MANAGED: readonly ErrorNote[] = ['NOT_FOUND', 'NOT_YOURS_TO_MANAGE'];
const ENDED: readonly ErrorNote[] = [...MANAGED, 'OWN_MEMBERSHIP', 'LAST_ADMINISTRATOR'];

const readRoutes = (deps: TenantDeps) => ({
  staff: endpoint({
    summary: 'The members of the tenant, newest first; former ones only with status=removed',
    query: staffQuery,
    responses: { 200: json('A page of members', shownMembers) },
    errors: [],
    async handle(req, res, { query: { cursor, limit, ...filter } }) {
      res.json(await listStaff(deps, principalOf(req).tenantId, { filter, cursor, limit }));
    },
  }),
  member: endpoint({
    summary: 'One member, or a former one',
    params: staffParams,
    responses: { 200: json('The member', shownMember) },
    errors: ['NOT_FOUND'],
    async handle(req, res, { params }) {
      const { tenantId, staffId } = memberOf(req, params.id);
      res.json(await showStaff(deps, tenantId, staffId));
    },
  }),
  memberSessions: endpoint({
    summary: 'The live sessions of a member, newest first',
    params: staffParams,
    query: sessionsQuery,
    responses: { 200: json('A page of sessions', memberSessions) },
    errors: ['NOT_FOUND'],
    async handle(req, res, { params, query }) {
      res.json(await listSessionsOf(deps, memberOf(req, params.id), query));
    },
  }),
});

const membershipRoutes = (deps: TenantDeps) => ({
  changeRoles: endpoint({
    summary: 'Replace the roles of a member, and if given the permissions that they hold directly',
    params: staffParams,
    body: rolesBody,
    responses: {
      200: json('The access in effect; it counts at the next request', changedAccess),
      202: json('The change waits for a second administrator', waitingApproval),
    },
    errors: [
      ...MANAGED,
      'UNKNOWN_ROLE',
      'UNKNOWN_PERMISSION',
      'NOT_YOURS_TO_GIVE',
      'LAST_ADMINISTRATOR',
      'NO_APPROVER',
      'TOO_MANY_APPROVALS',
    ],
    async handle(req, res, { params, body: { roles, permissions, ...given } }) {
      const who = memberOf(req, params.id);
      const wanted = { roles, ...(permissions ? { permissions: { set: permissions } } : {}) };
      const act = actOf(deps, req, given);
      const done = await changeAccess(deps, contextOf(req, given.ticket), who, wanted, act);
      if (done.approval) res.status(202).json({ approval: showApproval(done.approval) });
      else res.json({ staffId: who.staffId, ...done.after });
    },
  }),
  changeEnd: endpoint({
    summary: 'Set, change or take away the end of a membership',
    params: staffParams,
    body: endBody,
    responses: { 200: json('The end of the membership', changedEnd) },
    errors: [...ENDED, 'NOT_YOURS_TO_GIVE', 'FORBIDDEN: a longer time needs an approval'],
    async handle(req, res, { params, body: { endsAt, ...given } }) {
      const who = memberOf(req, params.id);
      const act = actOf(deps, req, given);
      await changeMembershipEnd(deps, contextOf(req, given.ticket), who, endsAt, act);
      res.json({ staffId: who.staffId, endsAt });
    },
  }),
  disableMember: endpoint({
    summary: 'Disable a member: every session ends, and they cannot sign in to this tenant',
    params: staffParams,
    body: whyBody,
    responses: { 204: noBody('Disabled') },
    errors: ENDED,
    async handle(req, res, { params, body }) {
      const who = memberOf(req, params.id);
      await disableStaff(deps, contextOf(req, body?.ticket), who, actOf(deps, req, body));
      res.status(204).end();
    },
  }),
  enableMember: endpoint({
    summary: 'Let a disabled member sign in again, with the roles and factors that they had',
    params: staffParams,
    body: whyBody,
    responses: { 204: noBody('Enabled') },
    errors: [...MANAGED, 'NOT_YOURS_TO_GIVE: their membership ends later than your own'],
    async handle(req, res, { params, body }) {
      const who = memberOf(req, params.id);
      await enableStaff(deps, contextOf(req, body?.ticket), who, actOf(deps, req, body));
      res.status(204).end();
    },
  }),
  removeMember: endpoint({
    summary: 'Remove a member: access, roles, permissions and factors of this membership end',
    params: staffParams,
    body: whyBody,
    responses: { 204: noBody('Removed') },
    errors: ENDED,
    async handle(req, res, { params, body }) {
      const who = memberOf(req, params.id);
      await removeStaff(deps, contextOf(req, body?.ticket), who, actOf(deps, req, body));
      res.status(204).end();
    },
  }),
});

const accessRoutes = (deps: TenantDeps) => ({
  resetFactors: endpoint({
    summary: 'Remove every second factor of a member, and end their sessions',
    params: staffParams,
    body: resetBody,
    responses: { 200: json('The factors that were removed', removedFactors) },
    errors: [...MANAGED, 'OWN_MEMBERSHIP'],
    async handle(req, res, { params, body }) {
      const who = memberOf(req, params.id);
      const act = actOf(deps, req);
      res.json(await resetFactors(deps, contextOf(req, body.ticket), who, act, body.reason));
    },
  }),
  forceLogout: endpoint({
    summary: 'End every session of a member',
    params: staffParams,
    body: z.strictObject({ ticket: ticketField.optional() }).optional(),
    responses: { 204: noBody('Ended') },
    errors: MANAGED,
    async handle(req, res, { params, body }) {
      const who = memberOf(req, params.id);
      await forceLogoutMember(deps, contextOf(req, body?.ticket), who, actOf(deps, req));
      res.status(204).end();
    },
  }),
  forceLogoutAll: endpoint({
    summary: 'End the sessions of all members, without your own unless you include it',
    body: everybodyBody,
    responses: { 200: json('The members whose sessions ended', endedSessions) },
    errors: ['NOT_FOUND: the tenant was deleted'],
    async handle(req, res, { body }) {
      const { tenantId } = principalOf(req);
      const act = actOf(deps, req);
      const me = body?.includeMe ?? false;
      res.json(await forceLogoutAll(deps, contextOf(req, body?.ticket), tenantId, act, me));
    },
  }),
  endMemberSession: endpoint({
    summary: 'End one session of a member',
    params: sessionParams,
    responses: { 204: noBody('Ended') },
    errors: MANAGED,
    async handle(req, res, { params }) {
      const who = memberOf(req, params.id);
      assertRowId(params.sessionId);
      const which = { ...who, sessionId: params.sessionId };
      await endSessionOfMember(deps, contextOf(req), which, actOf(deps, req));
      res.status(204).end();
    },
  }),
});

/** The routes of a tenant's members; the route table holds their permissions. */
export const staffRoutes = (deps: TenantDeps) => ({
  ...readRoutes(deps),
  ...membershipRoutes(deps),
  ...accessRoutes(deps),
});
