import { z } from 'zod';
import type { RequestHandler } from 'express';
import { AppError } from '../errors';
import { json, moment, rowId } from '../http/answers';
import { contextOf, serviceOf } from '../http/request';
import { endpoint } from '../http/routeTable';
import type { Kernel } from '../kernel';
import { declareEventTypes } from './declareEventTypes';
import { eventTypesInput, toEventTypes } from './eventTypeInput';
import { listEventTypes } from './eventTypeStore';
import { reportEvents } from './reportEvents';
import { reportInput } from './reportInput';

type Deps = Pick<Kernel, 'db' | 'random'>;

const reportedEvents = z
  .object({ ids: z.array(rowId).meta({ description: 'In the order of the events' }) })
  .meta({ id: 'ReportedEvents' });

const names = z.array(z.string()).meta({ examples: [['app.project.deleted']] });
const declaredTypes = z
  .object({ added: names, changed: names, withdrawn: names })
  .meta({ id: 'DeclaredEventTypes' });

const eventTypeList = z
  .object({
    eventTypes: z.array(
      z.object({
        name: z.string().meta({ examples: ['app.project.deleted'] }),
        sentence: z.string().meta({ examples: ['A project was deleted'] }),
        details: z.record(z.string(), z.unknown()),
        declaredAt: moment,
        changedAt: moment.nullable(),
        withdrawnAt: moment.nullable(),
      }),
    ),
  })
  .meta({ id: 'EventTypeList' });

const KEY = /^[\x21-\x7e]{1,255}$/;

/** @throws AppError IDEMPOTENCY_KEY_REQUIRED */
function idempotencyKeyOf(req: Parameters<RequestHandler>[0]): string {
  const key = req.headers['idempotency-key'];
  if (typeof key === 'string' && KEY.test(key)) return key;
  throw new AppError('IDEMPOTENCY_KEY_REQUIRED');
}

/** The routes by which the team's product reports its events; the route table holds the scopes. */
export const appEventRoutes = (deps: Deps) => ({
  reportEvents: endpoint({
    summary: "Write up to 100 events of the team's product into the audit log, all or none",
    body: reportInput,
    takesBatch: true,
    takesIdempotencyKey: true,
    responses: { 201: json('The events are written', reportedEvents) },
    errors: ['IDEMPOTENCY_KEY_REQUIRED', 'IDEMPOTENCY_KEY_REUSED'],
    async handle(req, res, { body: { events } }) {
      const idempotencyKey = idempotencyKeyOf(req);
      const { events: sent } = req.body as { events: unknown };
      const report = { service: serviceOf(req), idempotencyKey, sent, events };
      res.status(201).json({ ids: await reportEvents(deps, contextOf(req), report) });
    },
  }),
  eventTypes: endpoint({
    summary: "Every type of the product's events that was ever declared",
    responses: { 200: json('The types', eventTypeList) },
    errors: [],
    async handle(_req, res) {
      res.json({ eventTypes: await listEventTypes(deps.db) });
    },
  }),
  declareEventTypes: endpoint({
    summary: "Declare the types of the product's events, and withdraw all others",
    body: eventTypesInput,
    takesBatch: true,
    responses: { 200: json('What changed', declaredTypes) },
    errors: ['EVENT_TYPE_INCOMPATIBLE'],
    async handle(req, res, { body }) {
      const wanted = toEventTypes(body);
      res.json(await declareEventTypes(deps, contextOf(req), wanted, { via: 'service' }));
    },
  }),
});
