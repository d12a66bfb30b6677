import { HOUR_SEC, MINUTE_SEC } from '../durations';
import { parseMailAddress } from '../mailAddress';
import { hostOf, isLoopback, parseUrl } from './parseUrl';
import { isProduction } from './processSettings';
import type { Mode } from './processSettings';
import { integer, optionalInteger, splitNames, text, word } from './settingTypes';
import type { SettingsOf } from './settingTypes';
import { namesProxies, parseTrustProxy } from './trustProxy';

/** The settings of the HTTP server. */
export const httpSettings = {
  TRUST_PROXY: text(),
  REQUEST_TIMEOUT_SEC: integer(30, 1, 5 * MINUTE_SEC),
  HEADERS_TIMEOUT_SEC: optionalInteger(1, 5 * MINUTE_SEC),
  KEEP_ALIVE_TIMEOUT_SEC: integer(75, 1, HOUR_SEC),
  DRAIN_DELAY_SEC: optionalInteger(0, 5 * MINUTE_SEC),
  CORS_ORIGINS: text(),
  METRICS_TOKEN: text(),
  API_DOCS: word(['on', 'off']),
  API_CONTACT: text(),
};

type HttpEnvironment = SettingsOf<typeof httpSettings> & Mode;

const HEADERS_TIMEOUT_SEC = 20;
/**
 * Kubernetes and most balancers learn of a stop later than the process. With 20 s for requests in
 * progress this stays below the 30 s after which Kubernetes kills the process.
 */
const DRAIN_DELAY_SEC = 5;

function findOriginProblem(origin: string, production: boolean): string | undefined {
  const must = 'CORS_ORIGINS must list exact origins such as https://app.example.com';
  if (origin.includes('*')) return `${must}: a wildcard would admit pages of other people.`;
  if (origin === 'null') return `${must}: every sandboxed page and local file has the origin null.`;
  // Do not repeat an address that contains a password.
  if (origin.includes('@')) return `${must}, without a user or a password.`;
  const url = parseUrl(origin);
  if (!url || !/^https?:$/.test(url.protocol))
    return `${must}: ${JSON.stringify(origin)} is not an origin.`;
  if (url.origin !== origin) {
    return `${must}, as browsers send them, without a path or a slash at the end: write ${url.origin} for ${origin}.`;
  }
  if (production && url.protocol === 'http:' && !isLoopback(hostOf(url))) {
    return `CORS_ORIGINS must use https in production: anybody on the network path can change what ${origin} loads.`;
  }
  return undefined;
}

/** Where people who use the API get help. */
type ApiContact = { readonly email: string } | { readonly url: string };

function parseContact(value: string): ApiContact | undefined {
  const url = parseUrl(value);
  if (!url) {
    const address = parseMailAddress(value);
    return address && { email: address.typed };
  }
  return /^https?:$/.test(url.protocol) && !value.includes('@') ? { url: url.href } : undefined;
}

/** @returns one sentence for each invalid setting of the HTTP server */
export function findHttpProblems(env: HttpEnvironment): string[] {
  const problems: string[] = [];
  if (!namesProxies(env.TRUST_PROXY)) {
    problems.push(
      'TRUST_PROXY must name the proxies (addresses, CIDR ranges, loopback, or a hop count): if everybody is trusted, a client can choose its own address.',
    );
  }
  const { HEADERS_TIMEOUT_SEC: headers = 0, REQUEST_TIMEOUT_SEC: whole } = env;
  if (headers > whole) {
    problems.push(
      `HEADERS_TIMEOUT_SEC must be at most REQUEST_TIMEOUT_SEC, which is ${whole}: the headers are part of the request.`,
    );
  }
  // The value is not repeated, because it may hold a password.
  if (env.API_CONTACT !== undefined && parseContact(env.API_CONTACT) === undefined) {
    problems.push('API_CONTACT must be an e-mail address, or a URL without a user.');
  }
  const production = isProduction(env);
  const origins = splitNames(env.CORS_ORIGINS);
  return [...problems, ...origins.flatMap((origin) => findOriginProblem(origin, production) ?? [])];
}

/** Reads settings that {@link findHttpProblems} has accepted. */
export function readHttpSettings(env: HttpEnvironment) {
  const production = isProduction(env);
  return {
    trustProxy: parseTrustProxy(env.TRUST_PROXY),
    requestTimeoutSec: env.REQUEST_TIMEOUT_SEC,
    headersTimeoutSec:
      env.HEADERS_TIMEOUT_SEC ?? Math.min(HEADERS_TIMEOUT_SEC, env.REQUEST_TIMEOUT_SEC),
    keepAliveTimeoutSec: env.KEEP_ALIVE_TIMEOUT_SEC,
    drainDelaySec: env.DRAIN_DELAY_SEC ?? (production ? DRAIN_DELAY_SEC : 0),
    corsOrigins: Object.freeze<string[]>(splitNames(env.CORS_ORIGINS)),
    metricsToken: env.METRICS_TOKEN,
    /** Whether the API is described as a page at /docs. */
    apiDocs: (env.API_DOCS ?? (production ? 'off' : 'on')) === 'on',
    /** The contact in /openapi.json; undefined if it is unset. */
    apiContact: env.API_CONTACT === undefined ? undefined : parseContact(env.API_CONTACT),
  };
}
