import { z } from 'zod';
import { IMPERSONATION_SCOPES } from '../db/schema';
import { json, noBody } from '../http/answers';
import { contextOf, principalOf, provenCallerOf } from '../http/request';
import { endpoint, guard, instant, storableText } from '../http/routeTable';
import type { Guard } from '../http/routeTable';
import { ticketField } from '../http/ticketField';
import { changeImpersonationPolicy } from './changeImpersonationPolicy';
import type { GivenConsent } from './consentStore';
import type { ImpersonationDeps } from './deps';
import {
  impersonationPolicyInput,
  ownConsent,
  shownImpersonationPolicy,
  startedImpersonation,
  stoppedImpersonation,
} from './impersonationAnswers';
import { findOwnConsent, giveConsent, takeConsentBack } from './impersonationConsent';
import { readImpersonationPolicy } from './impersonationPolicyStore';
import { findOwnImpersonation, issueToken } from './impersonationTokens';
import { assertMayAsk, startImpersonation } from './startImpersonation';
import type { StartedImpersonation } from './startImpersonation';
import { stopImpersonation } from './stopImpersonation';

const LONGEST_MINUTES = 60;
/** A shorter reason says nothing to the subject, who reads it in a mail, or to an auditor. */
const LEAST_REASON = 10;

/** Spaces, and characters that nobody sees, at either end. */
const INVISIBLE_ENDS = /^[\s\p{C}]+|[\s\p{C}]+$/gu;

const reasonField = storableText(500, LEAST_REASON, 'Reproduce what Ann reported')
  .transform((text) => text.replace(INVISIBLE_ENDS, ''))
  .pipe(z.string().min(LEAST_REASON));

const startBody = z.strictObject({
  // As the database spells it: the same member in capitals would be another one in events.
  staffId: storableText(64)
    .transform((id) => id.toLowerCase())
    .describe('The member as whom you want to act'),
  reason: reasonField,
  ticket: ticketField.optional(),
  minutes: z.int().min(1).max(LONGEST_MINUTES).optional(),
  scope: z.enum(IMPERSONATION_SCOPES).default('read_only'),
});
const policyBody = z.strictObject({ version: z.int().min(0), policy: impersonationPolicyInput });

const show = (deps: ImpersonationDeps, { row, subject }: StartedImpersonation) => {
  const { id, scope, consent, startedAt, expiresAt } = row;
  const { staffId, email, name } = subject;
  const shown = { id, subject: { staffId, email, name }, scope, consent, startedAt, expiresAt };
  return { impersonation: shown, ...issueToken(deps, row) };
};

const showConsent = (consent: GivenConsent | undefined) => ({
  consent: consent ? { givenAt: consent.givenAt, until: consent.expiresAt } : null,
});

const consentRoutes = (deps: ImpersonationDeps) => ({
  impersonationConsent: endpoint({
    summary: 'Until when you allow others to act as you',
    responses: { 200: json('Your consent', ownConsent) },
    errors: [],
    async handle(req, res) {
      res.json(showConsent(await findOwnConsent(deps, principalOf(req))));
    },
  }),
  giveImpersonationConsent: endpoint({
    summary: 'Allow others to act as you until a time, at most 30 days ahead',
    body: z.strictObject({ until: instant }),
    responses: { 200: json('Your consent', ownConsent) },
    errors: [],
    async handle(req, res, { body }) {
      const ctx = contextOf(req);
      res.json(showConsent(await giveConsent(deps, ctx, principalOf(req), body.until)));
    },
  }),
  withdrawImpersonationConsent: endpoint({
    summary: 'No longer allow others to act as you; an impersonation that needs it ends',
    responses: { 204: noBody('Withdrawn') },
    errors: ['NOT_FOUND: you have allowed nothing'],
    async handle(req, res) {
      await takeConsentBack(deps, contextOf(req), principalOf(req));
      res.status(204).end();
    },
  }),
});

const policyRoutes = (deps: ImpersonationDeps) => ({
  impersonationPolicy: endpoint({
    summary: 'Whether members of the tenant may act as others, and how',
    responses: { 200: json('The policy with its version', shownImpersonationPolicy) },
    errors: [],
    async handle(req, res) {
      res.json(await readImpersonationPolicy(deps.db, principalOf(req).tenantId));
    },
  }),
  changeImpersonationPolicy: endpoint({
    summary: 'Change whether members of the tenant may act as others, and how',
    body: policyBody,
    responses: { 200: json('The policy with its new version', shownImpersonationPolicy) },
    errors: ['CONFLICT: the policy has changed since you read it'],
    async handle(req, res, { body }) {
      res.json(await changeImpersonationPolicy(deps, contextOf(req), principalOf(req), body));
    },
  }),
});

/** Refuses a start that no proof could open, before `requireStepUp` asks for one. */
export const mayAskToAct = (deps: ImpersonationDeps): Guard =>
  guard(
    { readsBody: true, errors: ['NOT_FOUND', 'IMPERSONATION_REFUSED'] },
    async (req, _res, next) => {
      const { ticket, ...asked } = startBody.parse(req.body ?? {});
      await assertMayAsk(deps, contextOf(req, ticket), principalOf(req), asked);
      next();
    },
  );

/** The routes of acting as another member. */
export const impersonationRoutes = (deps: ImpersonationDeps) => ({
  startImpersonation: endpoint({
    summary: 'Begin to act as another member, for some minutes',
    body: startBody,
    responses: { 201: json('The impersonation, with a token for it', startedImpersonation) },
    errors: [
      'NOT_FOUND',
      'IMPERSONATION_REFUSED: `refusal` says why',
      'SCHEMA_UNAVAILABLE: your session has no row',
    ],
    async handle(req, res, { body: { ticket, ...asked } }) {
      const ctx = contextOf(req, ticket);
      const started = await startImpersonation(deps, ctx, provenCallerOf(req), asked);
      res.status(201).json(show(deps, started));
    },
  }),
  impersonationToken: endpoint({
    summary: 'Get another access token for the impersonation that your session has begun',
    responses: { 200: json('The impersonation, with a token for it', startedImpersonation) },
    errors: ['NOT_FOUND: none runs'],
    async handle(req, res) {
      res.json(show(deps, await findOwnImpersonation(deps, principalOf(req))));
    },
  }),
  stopImpersonation: endpoint({
    summary: 'Stop acting as another member, with your own token or that of the impersonation',
    responses: { 200: json('What was done in it', stoppedImpersonation) },
    errors: ['NOT_FOUND: none runs'],
    async handle(req, res) {
      const ended = await stopImpersonation(deps, contextOf(req), principalOf(req));
      const { opened, refused, row } = ended;
      res.json({ id: row.id, endedAt: row.endedAt, opened, refused });
    },
  }),
  ...policyRoutes(deps),
  ...consentRoutes(deps),
});
