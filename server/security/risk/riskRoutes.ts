import { z } from 'zod';
import { riskDecision, riskMoment, riskOutcome, riskVerdict } from '../../db/schema';
import type { SecurityDeps } from '../deps';
import { contextOf, principalOf } from '../../http/request';
import { json } from '../../http/answers';
import { endpoint, instant, pageFields, storableText, wholeNumber } from '../../http/routeTable';
import { changeRiskPolicy, showRiskPolicy } from './changeRiskPolicy';
import { giveVerdict, showRiskDecision } from './giveVerdict';
import { listClosedAccounts } from './listClosedAccounts';
import { listRiskDecisions } from './listRiskDecisions';
import {
  lockedAccounts,
  riskDecisions,
  shownRiskDecision,
  shownRiskPolicy,
  simulatedRiskPolicy,
} from './riskAnswers';
import { riskPolicy } from './riskPolicy';
import { simulateRiskPolicy } from './simulateRiskPolicy';

const changeBody = z.strictObject({
  version: z.int().min(0),
  policy: riskPolicy,
  force: z.boolean().default(false),
});
const simulateBody = z.strictObject({
  policy: riskPolicy,
  days: z.int().min(1).max(30).default(30),
});
const verdictBody = z.strictObject({
  verdict: z.enum(riskVerdict.enumValues),
  note: storableText(1000).nullable().default(null),
});
const decisionParams = z.object({ id: z.string() });

/** Strict, so that a misspelt filter is an error and does not return everything. */
const decisionQuery = z.strictObject({
  staffId: z.uuid().optional().describe('The member whose login or refresh was scored'),
  sessionId: z.uuid().optional().describe('The session of the decision'),
  correlationId: storableText(128).optional().describe('The request that was scored'),
  at: z.enum(riskMoment.enumValues).optional().describe('What was scored'),
  decision: z.enum(riskDecision.enumValues).optional().describe('What the policy decided'),
  outcome: z.enum(riskOutcome.enumValues).optional().describe('How the request ended'),
  verdict: z
    .enum([...riskVerdict.enumValues, 'none'])
    .optional()
    .describe('What an administrator found; `none` if nobody has judged it'),
  reason: z
    .string()
    .regex(/^[A-Z_]{1,64}$/, 'must be a reason code')
    .optional()
    .describe('The code of one of the reasons'),
  minScore: wholeNumber(100).optional().describe('The lowest score, 0 to 100'),
  degraded: z
    .enum(['true', 'false'])
    .transform((value) => value === 'true')
    .optional()
    .describe('Whether the score failed'),
  from: instant.optional().describe('The earliest time'),
  to: instant.optional().describe('The time before which decisions were made'),
  ...pageFields,
});

function policyRoutes(deps: SecurityDeps) {
  return {
    riskPolicy: endpoint({
      summary: "The tenant's risk policy",
      responses: { 200: json('The policy with its version', shownRiskPolicy) },
      errors: [],
      async handle(req, res) {
        res.json(await showRiskPolicy(deps, principalOf(req)));
      },
    }),
    changeRiskPolicy: endpoint({
      summary: "Change the tenant's risk policy",
      body: changeBody,
      responses: { 200: json('The policy with its new version', shownRiskPolicy) },
      errors: [
        'CONFLICT: the policy has changed since you read it',
        'METHOD_UNAVAILABLE',
        'POLICY_LOCKS_OUT: with the people concerned',
      ],
      async handle(req, res, { body }) {
        res.json(await changeRiskPolicy(deps, contextOf(req), principalOf(req), body));
      },
    }),
    simulateRiskPolicy: endpoint({
      summary: 'Replay recent decisions under another policy',
      body: simulateBody,
      responses: {
        200: json(
          'The effect that the policy would have had, and the people concerned',
          simulatedRiskPolicy,
        ),
      },
      errors: ['SIMULATION_BUSY'],
      async handle(req, res, { body }) {
        const principal = principalOf(req);
        const simulate = () => simulateRiskPolicy(deps, principal, body);
        res.json(await deps.simulations.run(principal.tenantId, simulate));
      },
    }),
  };
}

function decisionRoutes(deps: SecurityDeps) {
  return {
    riskDecisions: endpoint({
      summary: 'Decisions of the risk gate, newest first, each with its explanation',
      query: decisionQuery,
      responses: { 200: json('A page of decisions', riskDecisions) },
      errors: [],
      async handle(req, res, { query: { cursor, limit, ...filter } }) {
        res.json(await listRiskDecisions(deps, principalOf(req), { filter, cursor, limit }));
      },
    }),
    riskDecision: endpoint({
      summary: 'One decision of the risk gate',
      params: decisionParams,
      responses: { 200: json('The decision', shownRiskDecision) },
      errors: ['NOT_FOUND'],
      async handle(req, res, { params }) {
        res.json(await showRiskDecision(deps, principalOf(req), params.id));
      },
    }),
    giveVerdict: endpoint({
      summary: 'Record whether the attempt behind a decision came from the person',
      params: decisionParams,
      body: verdictBody,
      responses: { 200: json('The decision with its verdict', shownRiskDecision) },
      errors: ['NOT_FOUND'],
      async handle(req, res, { params, body }) {
        const given = { ...body, id: params.id };
        res.json(await giveVerdict(deps, contextOf(req), principalOf(req), given));
      },
    }),
  };
}

const lockedRoutes = (deps: SecurityDeps) => ({
  lockedAccounts: endpoint({
    summary:
      'Members of this tenant whose password or second factor is closed after too many wrong guesses',
    responses: { 200: json('The accounts', lockedAccounts) },
    errors: [],
    async handle(req, res) {
      res.json({ accounts: await listClosedAccounts(deps, principalOf(req).tenantId) });
    },
  }),
});

/** The risk routes under `/api/security`; the route table holds their permissions. */
export const riskRoutes = (deps: SecurityDeps) => ({
  ...policyRoutes(deps),
  ...decisionRoutes(deps),
  ...lockedRoutes(deps),
});
