import { z } from 'zod';
import { IMPERSONATION_REFUSALS } from '../../impersonationRefusals';
import type { ActionGroup } from './actionGroup';
import { via } from './detailFields';

const scope = z.enum(['read_only', 'full']);
const consent = z.enum(['none', 'told', 'required']);
const count = z.number().int().min(0);

/** How often a route was asked for. */
const acts = z.array(z.strictObject({ route: z.string(), times: count }));

const policy = z.strictObject({
  mode: z.enum(['off', 'read_only', 'full']),
  consent,
  ticketRequired: z.boolean(),
  maxMinutes: count,
});

/** The reasons for which an impersonation can end. */
const END_REASONS = [
  'stopped',
  'expired',
  'actor_signed_out',
  'actor_forced_out',
  'actor_disabled',
  'permission_taken',
  'subject_disabled',
  'subject_sessions_ended',
  'tenant_closed',
  'policy_changed',
  'consent_ended',
  'address_refused',
  'operator',
] as const;

export type EndReason = (typeof END_REASONS)[number];

export const isEndReason = (text: string): text is EndReason =>
  (END_REASONS as readonly string[]).includes(text);

/** The details of both the beginning and the end of an impersonation. The ticket is added to all details. */
const terms = {
  reason: z.string(),
  scope,
  consent,
  /** When the subject gave the consent that it rests on. */
  consentGivenAt: z.string().optional(),
};

/**
 * The actions on impersonations. The actor is always the member who acts as somebody else, and
 * `on_behalf_of` the member as whom.
 */
export const IMPERSONATION_ACTIONS = {
  IMPERSONATION_STARTED: {
    details: z.strictObject({ ...terms, minutes: count, expiresAt: z.string() }),
    ocsf: {
      class: 'authentication',
      activity: 'Account Switch',
      severity: 'Medium',
      message: 'Somebody began to impersonate another person',
      has: ['impersonation'],
    },
  },
  // `by` is who ended it, if it was not the actor: a staff id or an operator; `byTicket` is their reference, and `ticket`
  // that of the impersonation. `opened` and `refused` count the requests for each route.
  IMPERSONATION_ENDED: {
    details: z.strictObject({
      ...terms,
      end: z.enum(END_REASONS),
      by: z.string().optional(),
      byTicket: z.string().optional(),
      startedAt: z.string(),
      seconds: z.number().min(0),
      opened: acts,
      refused: acts,
    }),
    ocsf: {
      class: 'authentication',
      activity: 'Impersonation End',
      severity: 'Informational',
      message: 'Somebody stopped impersonating another person',
      has: ['impersonation'],
    },
  },
  // A start was refused, or a request in an impersonation. `repeated` counts the refusals since the event before.
  IMPERSONATION_REFUSED: {
    details: z.strictObject({
      refusal: z.enum(IMPERSONATION_REFUSALS),
      route: z.string().optional(),
      repeated: count,
    }),
    ocsf: {
      class: 'authentication',
      activity: 'Impersonation Refusal',
      severity: 'Medium',
      message: 'An impersonation, or a request in one, was refused',
      disposition: 'Blocked',
      has: ['impersonation'],
    },
  },
  IMPERSONATION_POLICY_CHANGED: {
    details: z.strictObject({ version: count, before: policy, after: policy }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'Medium',
      message: 'The rules about impersonation of a tenant were changed',
      entity: { type: 'Policy', name: 'impersonation policy' },
    },
  },
  IMPERSONATION_CONSENT_GIVEN: {
    details: z.strictObject({ until: z.string(), via }),
    ocsf: {
      class: 'account',
      activity: 'Impersonation Consent',
      severity: 'Low',
      message: 'A member allowed others to act as them for a time',
    },
  },
  IMPERSONATION_CONSENT_WITHDRAWN: {
    details: z.strictObject({ until: z.string(), via }),
    ocsf: {
      class: 'account',
      activity: 'Impersonation Consent Withdrawal',
      severity: 'Low',
      message: 'A member no longer allows others to act as them',
    },
  },
} satisfies ActionGroup;
