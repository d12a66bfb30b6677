import type { Refusal } from './guardContract';

const TITLES = {
  UNAUTHENTICATED: 'Authentication required',
  FORBIDDEN: 'Permission missing',
  IMPERSONATION_REFUSED: 'Impersonation refused',
  PERSON_REQUIRED: 'Only a signed-in person can do this',
  IP_BLOCKED: 'Your address is not allowed here',
  GATEHOUSE_UNAVAILABLE: 'Access cannot be checked at the moment',
} as const;
const STATUS = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  IMPERSONATION_REFUSED: 403,
  PERSON_REQUIRED: 403,
  IP_BLOCKED: 403,
  GATEHOUSE_UNAVAILABLE: 503,
} as const;

/** Builds an answer of this guard, with a body of the same form as Gatehouse's (RFC 9457). */
function refuse(
  error: keyof typeof TITLES,
  detail: string,
  { headers = {}, ...extra }: { headers?: Refusal['headers']; refusal?: 'route' | 'step_up' } = {},
): Refusal {
  const status = STATUS[error];
  const type = `urn:gatehouse:error:${error}`;
  return { status, headers, body: { type, title: TITLES[error], status, error, detail, ...extra } };
}

/** RFC 6750 3.1: a request without a credential is told only what to send. */
export const noCredential = (): Refusal =>
  refuse('UNAUTHENTICATED', 'Send an access token as the bearer token.', {
    headers: { 'www-authenticate': 'Bearer' },
  });

export const invalidCredential = (): Refusal =>
  refuse('UNAUTHENTICATED', 'The access token is not valid, or its session has ended.', {
    headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
  });

export const missingPermission = (permission: string): Refusal =>
  refuse('FORBIDDEN', `This needs the permission ${permission}.`, {
    headers: { 'www-authenticate': 'Bearer error="insufficient_scope"' },
  });

/** A program cannot give a second proof. */
export const personRequired = (): Refusal =>
  refuse('PERSON_REQUIRED', 'This needs a person who gives a second proof, and not an API key.');

/** Never 401: the person is signed in, and another network may do if the address is known at all. */
export const addressRefused = (address: string | undefined): Refusal =>
  refuse(
    'IP_BLOCKED',
    address === undefined
      ? 'This API did not report your address. Ask its operator to do so.'
      : 'Use a network that your organisation allows, or ask one of its administrators to allow this one.',
  );

/** Somebody acts as another member, and may only read. */
export const readsOnly = (): Refusal =>
  refuse(
    'IMPERSONATION_REFUSED',
    'While you act as somebody else, you can only read: GET and HEAD.',
    { refusal: 'route' },
  );

/** A proof would be the actor's, and the act the other member's. */
export const noProofAsAnother = (): Refusal =>
  refuse(
    'IMPERSONATION_REFUSED',
    'This needs a second proof, and an impersonation has none. Stop it, and do this as yourself.',
    { refusal: 'step_up' },
  );

/** Never 401: the person is still signed in, and would be signed out by a client. */
export const unavailable = (retryAfterSec = 1): Refusal =>
  refuse('GATEHOUSE_UNAVAILABLE', 'Try again in a moment.', {
    headers: { 'retry-after': String(retryAfterSec) },
  });
