/** Why the start of an impersonation, or a request in one, is refused. */
export const IMPERSONATION_REFUSALS = [
  'policy',
  'scope',
  'too_long',
  'ticket_missing',
  'running',
  'self',
  'subject_inactive',
  'subject_holds_more',
  'consent_missing',
  'route',
  'step_up',
] as const;

export type ImpersonationRefusal = (typeof IMPERSONATION_REFUSALS)[number];
