import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { parseUrl } from './parseUrl';
import { splitNames, text } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The setting of sign-in at the identity providers of tenants. */
export const ssoSettings = { SSO_ALLOWED_HOSTS: text() };

type SsoEnvironment = SettingsOf<typeof ssoSettings>;

type Range = ReturnType<typeof ipaddr.parseCIDR>;

/** The identity providers that the operator allows although their address or port is not public. */
export interface AllowedHosts {
  /** Hosts with a port, as in `idp.example.com:443`. */
  readonly places: readonly string[];
  /** The ranges of addresses that count like public ones. */
  readonly ranges: readonly Range[];
}

/** Names and addresses in the form that URLs have; no wildcards. */
const HOST = /^(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])$/;
const HTTPS_PORT = '443';

/** @returns the host with its port, 443 if it has none; undefined if it is not valid */
function readPlace(entry: string): string | undefined {
  const isBareIpv6 = isIP(entry) === 6;
  const url = parseUrl(`https://${isBareIpv6 ? `[${entry}]` : entry}`);
  if (!url || !HOST.test(url.hostname) || url.href !== `https://${url.host}/`) return undefined;
  return `${url.hostname}:${url.port || HTTPS_PORT}`;
}

/** @returns the range of an entry that has one: CIDR notation, or an address without a port */
function readRange(entry: string): Range | undefined {
  const [address = '', bits, more] = entry.split('/');
  // Only whole addresses: `ipaddr.js` also reads short forms of IPv4 such as 10.1.
  if (isIP(address) === 0 || address.includes('%') || more !== undefined) return undefined;
  const whole = isIP(address) === 4 ? '32' : '128';
  const cidr = `${address}/${bits ?? whole}`;
  return ipaddr.isValidCIDR(cidr) ? ipaddr.parseCIDR(cidr) : undefined;
}

const isEntry = (entry: string) =>
  entry.includes('/') ? readRange(entry) !== undefined : readPlace(entry) !== undefined;

/** @returns one sentence if an entry is invalid */
export function findSsoProblems(env: SsoEnvironment): string[] {
  if (splitNames(env.SSO_ALLOWED_HOSTS).every(isEntry)) return [];
  return [
    'SSO_ALLOWED_HOSTS must list hosts, with or without a port, and ranges of addresses: idp.corp.example, idp.corp.example:8443 or 10.20.0.0/16.',
  ];
}

/** Reads a setting that {@link findSsoProblems} has accepted. */
export function readSsoSettings(env: SsoEnvironment): { ssoAllowedHosts: AllowedHosts } {
  const entries = splitNames(env.SSO_ALLOWED_HOSTS);
  const places = entries
    .filter((entry) => !entry.includes('/'))
    .flatMap((entry) => readPlace(entry) ?? []);
  const ranges = entries.flatMap((entry) => {
    const range = readRange(entry);
    return range ? [range] : [];
  });
  return { ssoAllowedHosts: Object.freeze({ places, ranges }) };
}
