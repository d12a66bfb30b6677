import type { Request, Response } from 'express';
import { z } from 'zod';
import { AppError } from '../errors';
import { noBody } from '../http/answers';
import { isShallow } from '../http/isShallow';
import { contextOf, principalOf } from '../http/request';
import { endpoint, storableText } from '../http/routeTable';
import { SCIM_JSON, scim } from '../http/scimDialect';
import { changeScimUser } from './changeScimUser';
import { createScimUser } from './createScimUser';
import { deleteScimUser } from './deleteScimUser';
import type { ScimDeps } from './deps';
import type { DirectoryRequest } from './directoryAct';
import { describeSchemas, describeService, describeTypes, listOf } from './protocol/discovery';
import { changesOfPatch } from './protocol/patchOperations';
import { refuseScim } from './protocol/scimRefusals';
import { changesOfUser } from './protocol/userChanges';
import type { UserChange } from './protocol/userChanges';
import { described, describedList, patchBody, shownUser, userBody, userList } from './scimAnswers';
import { baseOf, listUsers, readUser, showScimUser } from './showScimUser';
import type { ScimUserRow } from './scimUserStore';
import { etagOf, namesTag } from './scimVersion';

const MOST_LEVELS = 6;
const params = z.object({ id: z.string() });
const anInteger = z
  .string()
  .regex(/^-?\d{1,9}$/, 'must be a whole number')
  .transform(Number);
const selection = {
  attributes: storableText(1000).optional().describe('The attributes to show, joined by commas'),
  excludedAttributes: storableText(1000)
    .optional()
    .describe('The attributes to leave out, joined by commas'),
};
const oneQuery = z.object(selection);
const listQuery = z.object({
  filter: storableText(1000, 0).optional().describe('Comparisons with `eq`, joined by `and`'),
  startIndex: anInteger.optional().describe('The place of the first user, from 1'),
  count: anInteger.optional().describe('The most users of the page, up to 200'),
  ...selection,
});
const matches = z.object({
  'if-match': z.string().optional().describe('The version that the change is made for'),
});
const unlessSame = z.object({
  'if-none-match': z.string().optional().describe('The version that the client has'),
});

const CHANGED = [
  'NOT_FOUND',
  'VERSION_MISMATCH',
  'SCIM_INVALID',
  'SCIM_CONFLICT',
  'LAST_ADMINISTRATOR',
] as const;

const requestOf = ({ clock }: Pick<ScimDeps, 'clock'>, req: Request): DirectoryRequest => ({
  principal: principalOf(req),
  askedAt: clock.now(),
});

/** @throws AppError SCIM_INVALID for a body that is nested too deep to be one of SCIM */
function readChanges(body: object, read: (body: object) => UserChange[]): UserChange[] {
  if (!isShallow(body, MOST_LEVELS)) {
    throw refuseScim('invalidSyntax', `A body has at most ${MOST_LEVELS} levels.`);
  }
  return read(body);
}

/** Sends a user with their version. */
function sendUser(deps: ScimDeps, res: Response, row: ScimUserRow): void {
  res
    .set('etag', etagOf(row))
    .type(SCIM_JSON)
    .json(showScimUser(baseOf(deps), row));
}

const discoveryRoutes = (deps: ScimDeps) => ({
  scimService: endpoint({
    summary: 'What this SCIM service can do',
    responses: { 200: scim('The description', described) },
    errors: [],
    handle(_req, res) {
      res.type(SCIM_JSON).json(describeService(baseOf(deps)));
    },
  }),
  scimTypes: endpoint({
    summary: 'The kinds of resources of this SCIM service',
    responses: { 200: scim('All of them', describedList) },
    errors: [],
    handle(_req, res) {
      res.type(SCIM_JSON).json(listOf(describeTypes(baseOf(deps))));
    },
  }),
  scimSchemas: endpoint({
    summary: 'The schemas of this SCIM service',
    responses: { 200: scim('All of them', describedList) },
    errors: [],
    handle(_req, res) {
      res.type(SCIM_JSON).json(listOf(describeSchemas(baseOf(deps))));
    },
  }),
  scimSchema: endpoint({
    summary: 'One schema of this SCIM service',
    params,
    responses: { 200: scim('The schema', described) },
    errors: ['NOT_FOUND'],
    handle(_req, res, input) {
      const wanted = input.params.id.toLowerCase();
      const found = describeSchemas(baseOf(deps)).find(({ id }) => id.toLowerCase() === wanted);
      if (!found) throw new AppError('NOT_FOUND');
      res.type(SCIM_JSON).json(found);
    },
  }),
  scimGroups: endpoint({
    summary: 'The groups of the directory: none are kept yet',
    responses: { 200: scim('An empty list', describedList) },
    errors: [],
    handle(_req, res) {
      res.type(SCIM_JSON).json(listOf([]));
    },
  }),
});

const readRoutes = (deps: ScimDeps) => ({
  scimUsers: endpoint({
    summary: 'The members whom the directory knows, oldest first',
    query: listQuery,
    responses: { 200: scim('A page of users', userList) },
    errors: ['SCIM_INVALID'],
    async handle(req, res, { query: { startIndex = 1, count = 100, ...rest } }) {
      const { tenantId } = principalOf(req);
      const list = await listUsers(deps, tenantId, { startIndex, count, ...rest });
      (res as Response).type(SCIM_JSON).json(list);
    },
  }),
  scimUser: endpoint({
    summary: 'One member whom the directory knows',
    params,
    query: oneQuery,
    headers: unlessSame,
    responses: {
      200: scim('The user', shownUser, 'etag'),
      304: noBody('The client has this version', 'etag'),
    },
    errors: ['NOT_FOUND'],
    async handle(req, res, input) {
      const { tenantId } = principalOf(req);
      const { user, etag } = await readUser(deps, tenantId, input.params.id, input.query);
      res.set('etag', etag);
      const has = req.headers['if-none-match'];
      if (has !== undefined && namesTag(has, etag)) res.status(304).end();
      else (res as Response).type(SCIM_JSON).json(user);
    },
  }),
});

const changeRoutes = (deps: ScimDeps) => ({
  createScimUser: endpoint({
    summary: 'Make a person a member, or take a member over',
    body: userBody,
    takesScim: true,
    responses: { 201: scim('The user', shownUser, 'etag', 'location') },
    errors: ['SCIM_INVALID', 'SCIM_CONFLICT', 'LAST_ADMINISTRATOR'],
    async handle(req, res, { body }) {
      const changes = readChanges(body, changesOfUser);
      const row = await createScimUser(deps, contextOf(req), requestOf(deps, req), changes);
      res.status(201).set('location', `${baseOf(deps)}/Users/${row.staffId}`);
      sendUser(deps, res as Response, row);
    },
  }),
  replaceScimUser: endpoint({
    summary: 'Change a user to what the body says; what it does not name stays',
    params,
    body: userBody,
    headers: matches,
    takesScim: true,
    responses: { 200: scim('The user', shownUser, 'etag') },
    errors: CHANGED,
    async handle(req, res, input) {
      const changes = readChanges(input.body, changesOfUser);
      const which = { staffId: input.params.id, changes, ifMatch: req.headers['if-match'] };
      const row = await changeScimUser(deps, contextOf(req), requestOf(deps, req), which);
      sendUser(deps, res as Response, row);
    },
  }),
  patchScimUser: endpoint({
    summary: 'Change some attributes of a user',
    params,
    body: patchBody,
    headers: matches,
    takesScim: true,
    responses: { 200: scim('The user', shownUser, 'etag') },
    errors: CHANGED,
    async handle(req, res, input) {
      const changes = readChanges(input.body, changesOfPatch);
      const which = { staffId: input.params.id, changes, ifMatch: req.headers['if-match'] };
      const row = await changeScimUser(deps, contextOf(req), requestOf(deps, req), which);
      sendUser(deps, res as Response, row);
    },
  }),
  deleteScimUser: endpoint({
    summary: 'Delete a user: the membership is removed',
    params,
    headers: matches,
    responses: { 204: noBody('Deleted') },
    errors: ['NOT_FOUND', 'VERSION_MISMATCH', 'LAST_ADMINISTRATOR'],
    async handle(req, res, input) {
      const which = { staffId: input.params.id, ifMatch: req.headers['if-match'] };
      await deleteScimUser(deps, contextOf(req), requestOf(deps, req), which);
      res.status(204).end();
    },
  }),
});

/** The routes of SCIM 2.0 (RFC 7644); the route table holds their guards. */
export const scimRoutes = (deps: ScimDeps) => ({
  ...discoveryRoutes(deps),
  ...readRoutes(deps),
  ...changeRoutes(deps),
});
