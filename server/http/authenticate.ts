import type { Request } from 'express';
import { AppError } from '../errors';
import type { ErrorCode } from '../errors';
import { looksLikeKey } from '../keyText';
import type { ServiceScope } from '../serviceScopes';
import { refusedSenderOf } from './rateCallers';
import { contextOf, unauthenticated } from './request';
import { guard } from './routeTable';
import type { Guard } from './routeTable';

/** RFC 6750 2.1; the scheme is case-insensitive (RFC 9110 11.1). */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/** The error codes for a token that is invalid or has ended. */
const ENDED: readonly ErrorCode[] = ['UNAUTHENTICATED', 'FORCE_LOGOUT'];
/** The error codes for somebody who acts as another member. */
const IMPERSONATED = [
  'IMPERSONATION_REFUSED: you act as another member, and cannot do this as them',
] as const;

/** The error codes for the address of a request. */
const ADDRESS: readonly ErrorCode[] = ['IP_BLOCKED', 'IP_RULES_UNAVAILABLE'];
const ADDRESS_OF_ACTOR = [
  'IP_BLOCKED: you act as another member, and your address is refused',
  'IP_RULES_UNAVAILABLE: you act as another member',
] as const;

/** Returns the bearer token of a request, if it sent one. */
export function bearerToken(req: Request): string | undefined {
  return BEARER.exec(req.headers.authorization ?? '')?.[1];
}

function requireToken(req: Request, detail?: string): string {
  const token = bearerToken(req);
  if (token === undefined) throw unauthenticated(detail);
  return token;
}

/** Chooses how a key is looked up: slowly if credentials from this address were refused too often. */
const paceOf = (req: Request) => ({ slowly: req.services.isAtLimit(refusedSenderOf(req)) });

const NEEDS_SCIM_KEY = 'Send an API key with the permission SCIM_PROVISION as the bearer token.';

type Admission = 'authenticate' | 'authenticateToSignOut';

async function admitPerson(
  req: Request,
  token: string,
  admission: Admission = 'authenticate',
): Promise<void> {
  if (looksLikeKey(token)) throw new AppError('PERSON_REQUIRED');
  req.principal = await req.services[admission](() => contextOf(req), token);
}

/**
 * Admits people: checks the token's signature and the live session, at every request. A key of a
 * program is refused before anybody looks it up.
 */
export const authenticate = guard(
  { bearer: 'required', errors: [...ENDED, ...ADDRESS, 'PERSON_REQUIRED', ...IMPERSONATED] },
  async (req, _res, next) => {
    await admitPerson(req, requireToken(req));
    next();
  },
);

/**
 * Admits people from every address, for a route that can only end their own sessions: somebody who
 * may not act from an address may still sign out there.
 */
export const authenticateToSignOut = guard(
  {
    bearer: 'required',
    fromAnywhere: true,
    errors: [...ENDED, ...ADDRESS_OF_ACTOR, 'PERSON_REQUIRED', ...IMPERSONATED],
  },
  async (req, _res, next) => {
    await admitPerson(req, requireToken(req), 'authenticateToSignOut');
    next();
  },
);

/** Admits people, and a tenant's programs with an API key. */
export const authenticateCaller = guard(
  {
    bearer: 'required',
    keys: 'api',
    errors: [...ENDED, ...ADDRESS, 'KEY_ADDRESS_REFUSED', 'FORBIDDEN', ...IMPERSONATED],
  },
  async (req, _res, next) => {
    const token = requireToken(req);
    if (!looksLikeKey(token)) await admitPerson(req, token);
    else req.principal = await req.services.authenticateKey(contextOf(req), token, paceOf(req));
    next();
  },
);

/**
 * Admits the directory of a tenant by an API key, and nobody else. A guard after this one asks for
 * the permission.
 */
export const authenticateDirectory = guard(
  {
    bearer: 'required',
    keys: 'scim',
    errors: ['UNAUTHENTICATED', ...ADDRESS, 'KEY_ADDRESS_REFUSED'],
  },
  async (req, _res, next) => {
    const token = requireToken(req, NEEDS_SCIM_KEY);
    if (!looksLikeKey(token)) throw unauthenticated(NEEDS_SCIM_KEY);
    const how = { ...paceOf(req), forScim: true };
    req.principal = await req.services.authenticateKey(contextOf(req), token, how);
    next();
  },
);

/** Checks a service key and its scope, and remembers who was admitted. */
async function admitService(req: Request, key: string, scope?: ServiceScope): Promise<void> {
  const service = await req.services.authenticateService(contextOf(req), key, paceOf(req));
  // The request counts for the key, also if the scope is missing.
  req.service = service;
  if (scope !== undefined && !service.scopes.includes(scope)) {
    throw new AppError('FORBIDDEN', { detail: `This needs the scope ${scope}.` });
  }
  if (scope !== undefined) req.servedScope = scope;
}

/**
 * Checks the service key of an admitted request once more, for an answer that goes on after it began.
 * @throws AppError UNAUTHENTICATED, KEY_ADDRESS_REFUSED or FORBIDDEN if the key has ended or changed
 */
export const admitServiceAgain = (req: Request): Promise<void> =>
  admitService(req, requireToken(req), req.servedScope);

/** The header in which a gateway sends its service key. */
export const SERVICE_KEY = 'x-gatehouse-service-key';

/**
 * Admits a gateway by the service key in a header of its own: `authorization` holds the credential
 * of its client.
 */
export const authenticateGateway = guard(
  {
    bearer: 'required',
    keys: 'api',
    scope: 'introspect',
    errors: [...ENDED, ...ADDRESS, 'KEY_ADDRESS_REFUSED', 'FORBIDDEN'],
  },
  async (req, _res, next) => {
    const key = req.headers[SERVICE_KEY];
    if (typeof key !== 'string' || key === '') {
      throw unauthenticated(`The gateway must send a service key in ${SERVICE_KEY}.`);
    }
    await admitService(req, key, 'introspect');
    next();
  },
);

/** Admits the team's programs whose service key has the scope; any scope if none is given. */
export function authenticateService(scope?: ServiceScope): Guard {
  const errors = ['UNAUTHENTICATED', 'KEY_ADDRESS_REFUSED'] as const;
  const facts =
    scope === undefined ? { errors } : { scope, errors: [...errors, 'FORBIDDEN' as const] };
  return guard({ bearer: 'required', keys: 'service', ...facts }, async (req, _res, next) => {
    const token = requireToken(req, 'Send a service key as the bearer token.');
    await admitService(req, token, scope);
    next();
  });
}

/** The refusals with which a request continues unauthenticated. */
const REFUSED: readonly ErrorCode[] = [...ENDED, 'IP_BLOCKED'];

async function admitIfPresent(req: Request, admission: Admission): Promise<void> {
  const token = bearerToken(req);
  if (token === undefined) return;
  try {
    await admitPerson(req, token, admission);
  } catch (error) {
    if (!(error instanceof AppError && REFUSED.includes(error.code))) throw error;
    req.refusal = error;
  }
}

/**
 * For a route that works with or without a session: a request without a token, or with one that is
 * invalid or has ended, or that may not be used from this address, continues unauthenticated. A key
 * of a program is refused. An unreachable database is still an error.
 */
export const authenticateIfPresent = guard(
  { bearer: 'optional', errors: [...ADDRESS, 'PERSON_REQUIRED', ...IMPERSONATED] },
  async (req, _res, next) => {
    await admitIfPresent(req, 'authenticate');
    next();
  },
);

/** Does what {@link authenticateIfPresent} does, from every address, for signing out. */
export const authenticateToSignOutIfPresent = guard(
  {
    bearer: 'optional',
    fromAnywhere: true,
    errors: [...ADDRESS_OF_ACTOR, 'PERSON_REQUIRED', ...IMPERSONATED],
  },
  async (req, _res, next) => {
    await admitIfPresent(req, 'authenticateToSignOut');
    next();
  },
);
