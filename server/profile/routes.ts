import type { Response } from 'express';
import { z } from 'zod';
import { appAction } from '../audit';
import type { ProfileDeps } from './deps';
import { contextOf, passageOf, principalOf } from '../http/request';
import { json } from '../http/answers';
import { endpoint, pageFields } from '../http/routeTable';
import { changeName } from './changeName';
import { exportOwnData } from './exportOwnData';
import { ALL_ACTIONS, listOwnEvents } from './listOwnEvents';
import { nameField } from '../http/nameField';
import { ownData, ownEvents, ownName } from './profileAnswers';

const profileBody = z.object({
  name: nameField.nullable().meta({ description: 'null removes the name' }),
});

const action = z.union([z.enum(ALL_ACTIONS), appAction]);
/** Strict, because a misspelt filter must not return everything. */
const eventsQuery = z.strictObject({
  action: z
    .union([action, z.array(action).min(1).max(ALL_ACTIONS.length)])
    .transform((value) => [...new Set([value].flat())])
    .optional()
    .describe('An action; repeat it for several'),
  ...pageFields,
});

/** The routes with which people manage their own profile and see the data that is stored about them. */
export const profileRoutes = (deps: ProfileDeps) => ({
  changeProfile: endpoint({
    summary: 'Change your own name',
    body: profileBody,
    responses: { 200: json('The name', ownName) },
    errors: [],
    async handle(req, res, { body: { name } }) {
      await changeName(deps, contextOf(req), principalOf(req), name);
      res.json({ name });
    },
  }),
  ownEvents: endpoint({
    summary: 'The audit events of this tenant that you caused or that are about you, newest first',
    query: eventsQuery,
    responses: { 200: json('A page of events', ownEvents) },
    errors: [],
    async handle(req, res, { query: { action: actions, ...page } }) {
      res.json(await listOwnEvents(deps, principalOf(req), { ...page, actions }));
    },
  }),
  ownData: endpoint({
    summary: 'The data about you, as a file',
    responses: { 200: json('A JSON file', ownData, 'content-disposition') },
    errors: ['NOT_FOUND: the membership has ended'],
    async handle(req, res: Response) {
      const data = await exportOwnData(deps, contextOf(req), principalOf(req), passageOf(req));
      const day = data.createdAt.toISOString().slice(0, 10);
      res.setHeader('content-disposition', `attachment; filename="own-data-${day}.json"`);
      res.type('json').send(`${JSON.stringify(data, null, 2)}\n`);
    },
  }),
});
