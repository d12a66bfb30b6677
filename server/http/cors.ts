import type { Request, RequestHandler } from 'express';
import type { Kernel } from '../kernel';
import type { Logger } from '../logger';
import { MINUTE_SEC } from '../durations';
import { isCrossSite } from './crossSite';

const ALLOWED_HEADERS = 'authorization, content-type, idempotency-key, x-correlation-id';
/** The response headers that a page of another origin may read. */
const EXPOSED_HEADERS =
  'content-disposition, ratelimit, ratelimit-policy, retry-after, www-authenticate, x-correlation-id';
/**
 * How many seconds a browser caches a preflight answer, and so how long a change of CORS_ORIGINS
 * may take to apply.
 */
const MAX_AGE_SEC = 10 * MINUTE_SEC;
/**
 * Pages request this path without CORS to see whether the network works. They cannot read the
 * answer.
 */
const PROBED = /^\/health\/live\/?$/i;

const isListed = (req: Request, origins: readonly string[]): boolean =>
  req.headers.origin !== undefined && origins.includes(req.headers.origin);

/** Anyone can send an Origin header, so the log entries are limited. */
const MOST_ORIGINS = 100;
const LONGEST_ORIGIN = 128;

/**
 * @returns the scheme and host of an Origin; anything else in the header is dropped, so that no
 * secret gets into the log
 */
function nameOrigin(header: string): string {
  if (header === 'null') return header;
  if (!URL.canParse(header)) return 'malformed';
  const { protocol, host } = new URL(header);
  return `${protocol}//${host}`.slice(0, LONGEST_ORIGIN);
}

/**
 * Logs once per origin that its pages cannot read answers. A browser only shows its developer that
 * a request failed.
 */
function createOriginLog(logger: Logger): (header: string) => void {
  const logged = new Set<string>();
  return (header) => {
    const origin = nameOrigin(header);
    if (logged.has(origin) || logged.size >= MOST_ORIGINS) return;
    logged.add(origin);
    const what = 'pages of this origin cannot read responses, because it is not in CORS_ORIGINS';
    logger.info({ code: 'ORIGIN_NOT_LISTED', origin }, what);
  };
}

/**
 * Lets pages of the listed origins read answers, including errors. Requests from other origins are
 * served, but their pages cannot read the answers, which is logged. Without CORS_ORIGINS no answer
 * has any of these headers.
 */
export function cors({ config, logger }: Pick<Kernel, 'config' | 'logger'>): RequestHandler {
  const { corsOrigins } = config;
  const logOrigin = createOriginLog(logger);
  return (req, res, next) => {
    if (req.headers.origin !== undefined && isCrossSite(req)) logOrigin(req.headers.origin);
    if (corsOrigins.length > 0) {
      // On every answer, so that a cache does not serve one origin's answer to another.
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
 * Answers a browser's preflight request for a route, if the page's origin is listed.
 * @param methods the methods of the route, separated by commas
 */
export function preflight(methods: string): RequestHandler {
  return (req, res, next) => {
    const asked = req.headers['access-control-request-method'] !== undefined;
    if (req.method !== 'OPTIONS' || !asked || !isListed(req, req.services.config.corsOrigins)) {
      next();
      return;
    }
    res.setHeader('access-control-allow-methods', methods);
    res.setHeader('access-control-allow-headers', ALLOWED_HEADERS);
    res.setHeader('access-control-max-age', String(MAX_AGE_SEC));
    res.status(204).end();
  };
}
