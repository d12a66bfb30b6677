import type { Request, RequestHandler, Response } from 'express';
import { AppError } from '../errors';
import type { ServiceScope } from '../serviceScopes';
import { SERVICE_KEY, bearerToken } from './authenticate';
import { refusedSenderOf, senderOf } from './rateCallers';
import type { Caller, RateStatus, RateVerdict, ServicePolicy } from './rateVerdict';
import type { Guard } from './routeTable';

/**
 * draft-ietf-httpapi-ratelimit-headers: structured fields with one item for each policy. The time
 * is that until the whole quota is available again.
 */
function setHeaders(res: Response, statuses: readonly RateStatus[]): void {
  const policies = statuses.map(
    ({ policy, quota, windowSec }) => `"${policy}";q=${quota};w=${windowSec}`,
  );
  const left = statuses.map(
    ({ policy, remaining, resetSec }) => `"${policy}";r=${remaining};t=${resetSec}`,
  );
  res.setHeader('ratelimit-policy', policies.join(', '));
  res.setHeader('ratelimit', left.join(', '));
}

function refuse(req: Request, res: Response, { statuses, violated }: RateVerdict): never {
  for (const policy of violated) req.services.metrics.rateLimited.inc({ policy });
  res.locals['rateLimited'] = violated;
  const waits = statuses.filter(({ policy }) => violated.includes(policy));
  const seconds = Math.max(...waits.map(({ resetSec }) => resetSec));
  throw new AppError('RATE_LIMITED', {
    headers: { 'retry-after': String(seconds) },
    extra: { violatedPolicies: violated },
  });
}

async function limit(req: Request, res: Response, caller: Caller): Promise<void> {
  const verdict = await req.services.countRequest(caller);
  if (!verdict) return;
  setHeaders(res, verdict.statuses);
  if (verdict.violated.length > 0) refuse(req, res, verdict);
}

/** The requests that were counted by their address before they were authenticated. */
const counted = new WeakSet<Request>();

/**
 * Counts a request without credentials by its address, before anything else is done for it.
 * @throws AppError RATE_LIMITED
 */
const limitAnonymous: RequestHandler = async (req, res, next) => {
  if (req.headers.authorization === undefined && req.headers[SERVICE_KEY] === undefined) {
    counted.add(req);
    await limit(req, res, senderOf(req));
  }
  next();
};

/** Returns the caller for whom a request counts after its authentication has thrown. */
function refusedCallerOf(req: Request): Caller {
  if (req.service) return { service: req.service };
  const token = bearerToken(req);
  return refusedSenderOf(req, token === undefined ? undefined : req.services.sessionOf(token));
}

/**
 * Runs the authentication of a route, and counts the request if it refuses the credentials. Valid
 * ones are never refused because of others that were: they are checked first.
 * @throws AppError RATE_LIMITED in place of the refusal
 */
const limitRefusals =
  (authentication: Guard): RequestHandler =>
  async (req, res, next) => {
    try {
      await authentication(req, res, (error?: unknown) => {
        if (error) throw error instanceof Error ? error : new Error('not authenticated');
      });
    } catch (error) {
      const isRefusal = error instanceof AppError && error.isRefusal;
      if (isRefusal && !counted.has(req)) await limit(req, res, refusedCallerOf(req));
      throw error;
    }
    next();
  };

/** Services send these requests more often than a quota for all requests could allow. */
const OFTEN: Partial<Record<ServiceScope, ServicePolicy>> = {
  'events:write': 'events',
  introspect: 'introspect',
};

const policyOf = ({ servedScope }: Request) =>
  servedScope === undefined ? undefined : OFTEN[servedScope];

/**
 * Counts any other request: of a signed-in caller by tenant and by account or API key, of anybody
 * else by address. It runs after authentication and before the body is parsed.
 * @throws AppError RATE_LIMITED
 */
const limitCaller: RequestHandler = async (req, res, next) => {
  const { principal, service } = req;
  if (principal) await limit(req, res, { principal });
  else if (service) await limit(req, res, { service, policy: policyOf(req) });
  else if (!counted.has(req)) await limit(req, res, senderOf(req));
  next();
};

/** Returns the rate limits of a route, around the guard that authenticates, if there is one. */
export function limitAround(authentication: Guard | undefined): readonly RequestHandler[] {
  const first = authentication ? [limitAnonymous, limitRefusals(authentication)] : [];
  return [...first, limitCaller];
}
