import type { Request, RequestHandler } from 'express';
import type { Deps } from '../deps';
import type { Logger } from '../logger';
import { isCrossSite } from './crossSite';
import { depsOf } from './request';

const ALLOWED_HEADERS = 'authorization, content-type, idempotency-key, x-correlation-id';
/** What a page of another origin may read of an answer, beside the body. */
const EXPOSED_HEADERS = 'content-disposition, retry-after, www-authenticate, x-correlation-id';
/** Seconds that a browser keeps a preflight's answer, and so a change of CORS_ORIGINS may take to arrive. */
const MAX_AGE_SEC = 600;
/** Pages ask this one without CORS whether the network is there; the answer says nothing to them. */
const PROBED = /^\/health\/live\/?$/i;

const isListed = (req: Request, origins: readonly string[]): boolean =>
  req.headers.origin !== undefined && origins.includes(req.headers.origin);

/** Whoever likes may send an Origin: the log does not grow by it for ever. */
const MOST_ORIGINS = 100;
const LONGEST_ORIGIN = 128;

/** @returns what a browser sends, scheme and host; of anything else no more than that, so that the log holds no secret */
function nameOrigin(header: string): string {
  if (header === 'null') return header;
  if (!URL.canParse(header)) return 'malformed';
  const { protocol, host } = new URL(header);
  return `${protocol}//${host}`.slice(0, LONGEST_ORIGIN);
}

/** Says once for each origin that its pages can read no answers: a browser tells its developer only that a request failed. */
function createOriginLog(logger: Logger): (header: string) => void {
  const told = new Set<string>();
  return (header) => {
    const origin = nameOrigin(header);
    if (told.has(origin) || told.size >= MOST_ORIGINS) return;
    told.add(origin);
    const what = 'pages of this origin cannot read answers: it is not in CORS_ORIGINS';
    logger.info({ code: 'ORIGIN_NOT_LISTED', origin }, what);
  };
}

/**
 * Lets pages of the listed origins read answers, and errors too. An origin that is not listed is served as ever and its pages
 * read nothing, of which the log tells. Without CORS_ORIGINS no answer has any of these headers.
 */
export function cors({ config, logger }: Pick<Deps, 'config' | 'logger'>): RequestHandler {
  const { corsOrigins } = config;
  const tellOf = createOriginLog(logger);
  return (req, res, next) => {
    if (req.headers.origin !== undefined && isCrossSite(req)) tellOf(req.headers.origin);
    if (corsOrigins.length > 0) {
      // On every answer: a cache must not give one origin's to another.
      res.vary('origin');
      if (PROBED.test(req.path)) res.setHeader('cross-origin-resource-policy', 'cross-origin');
      if (isListed(req, corsOrigins)) {
        res.setHeader('access-control-allow-origin', req.headers.origin ?? '');
        res.setHeader('access-control-allow-credentials', 'true');
        res.setHeader('access-control-expose-headers', EXPOSED_HEADERS);
      }
    }
    next();
  };
}

/**
 * Answers the question of a browser whether a page of a listed origin may send a request to a route.
 * @param methods those of the route, separated by commas
 */
export function preflight(methods: string): RequestHandler {
  return (req, res, next) => {
    const asked = req.headers['access-control-request-method'] !== undefined;
    if (req.method !== 'OPTIONS' || !asked || !isListed(req, depsOf(req).config.corsOrigins)) {
      next();
      return;
    }
    res.setHeader('access-control-allow-methods', methods);
    res.setHeader('access-control-allow-headers', ALLOWED_HEADERS);
    res.setHeader('access-control-max-age', String(MAX_AGE_SEC));
    res.status(204).end();
  };
}
