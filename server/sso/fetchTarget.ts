import type { promises } from 'node:dns';
import { isIP } from 'node:net';
import type { AllowedHosts } from '../config/ssoSettings';
import { hostOf } from '../config/parseUrl';
import { FetchRefused } from './fetchRefused';
import type { FetchRule } from './fetchRefused';
import { isPublic, isWithin } from './publicAddress';

/** The rules for addresses that the server asks because a tenant has named them. */
export interface TargetRules {
  readonly allowed: AllowedHosts;
  /** Whether http is allowed too: outside production. */
  readonly allowsHttp: boolean;
}

export type Resolver = Pick<promises.Resolver, 'resolve4' | 'resolve6'>;

const HTTPS_PORT = '443';
const HTTP_PORT = '80';

const placeOf = (url: URL) =>
  `${url.hostname}:${url.port || (url.protocol === 'https:' ? HTTPS_PORT : HTTP_PORT)}`;

const mayReach = (url: URL, address: string, { places, ranges }: AllowedHosts) =>
  isPublic(address) || places.includes(placeOf(url)) || isWithin(address, ranges);

/** Returns whether the scheme of a URL is allowed; a browser may be sent to it. */
export const hasAllowedScheme = ({ protocol }: URL, { allowsHttp }: TargetRules): boolean =>
  protocol === 'https:' || (allowsHttp && protocol === 'http:');

/**
 * Judges what a URL says by itself, before any name is resolved.
 * @returns the rule that refuses it; undefined if none does
 */
export function judgeUrl(url: URL, rules: TargetRules): FetchRule | undefined {
  if (!hasAllowedScheme(url, rules)) return 'not_https';
  if (url.username !== '' || url.password !== '') return 'credentials';
  const place = placeOf(url);
  if (place !== `${url.hostname}:${HTTPS_PORT}` && !rules.allowed.places.includes(place)) {
    return 'port';
  }
  const host = hostOf(url);
  return isIP(host) !== 0 && !mayReach(url, host, rules.allowed) ? 'address' : undefined;
}

/** The codes by which the DNS says that a name has no such record. */
const NO_RECORD: readonly unknown[] = ['ENODATA', 'ENOTFOUND'];

async function resolve(resolver: Resolver, host: string): Promise<string[]> {
  const results = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  const addresses = results.flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
  if (addresses.length > 0) return addresses;
  const failures = results.flatMap((each) =>
    each.status === 'rejected' ? [each.reason as NodeJS.ErrnoException] : [],
  );
  const failure = failures.find(({ code }) => !NO_RECORD.includes(code));
  throw failure
    ? new FetchRefused('dns_failed', { cause: failure })
    : new FetchRefused('host_unknown');
}

/**
 * Finds the addresses of the host of a URL. All of them must be allowed, also those that would not
 * be used: a name with a private address among public ones is an attempt to get in.
 * @throws FetchRefused
 */
export async function findAddresses(
  resolver: Resolver,
  url: URL,
  rules: TargetRules,
): Promise<readonly string[]> {
  const refusal = judgeUrl(url, rules);
  if (refusal !== undefined) throw new FetchRefused(refusal);
  const host = hostOf(url);
  const addresses = isIP(host) === 0 ? await resolve(resolver, host) : [host];
  if (addresses.every((address) => mayReach(url, address, rules.allowed))) return addresses;
  throw new FetchRefused('address');
}
