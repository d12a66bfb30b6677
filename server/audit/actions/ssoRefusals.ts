/** The reasons for which a sign-in at a provider is refused. Callers never learn which one it was. */
export const SSO_REFUSALS = [
  // The browser came back with something that does not belong to an attempt of its own.
  'attempt_unknown',
  'attempt_of_other_browser',
  'attempt_of_other_connection',
  'attempt_used',
  'attempt_expired',
  // The connection is not the one with which the attempt began.
  'connection_deleted',
  'connection_changed',
  // The provider's answer through the browser.
  'provider_refused',
  'answer_malformed',
  'answer_of_other_provider',
  // The exchange of the code.
  'provider_unreachable',
  'provider_failed',
  'secret_refused',
  'code_refused',
  // The ID token.
  'token_missing',
  'token_malformed',
  'token_algorithm',
  'token_key',
  'token_signature',
  'token_type',
  'token_issuer',
  'token_audience',
  'token_nonce',
  'token_time',
  'token_subject',
  'token_hosted_domain',
  // The person.
  'email_missing',
  'email_unverified',
  'domain_unproven',
  'member_unknown',
  'member_has_other_identity',
  'identity_of_other_member',
  'member_refused',
  'session_ended',
] as const;

export type SsoRefusal = (typeof SSO_REFUSALS)[number];
