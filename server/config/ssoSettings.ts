import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { parseUrl } from './parseUrl';
import { isProduction } from './processSettings';
import type { processSettings } from './processSettings';
import { splitNames, text } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The settings of sign-in at the identity providers of tenants. */
export const ssoSettings = { SSO_ALLOWED_HOSTS: text(), SSO_RETURN_URL: text() };

type SsoEnvironment = Partial<SettingsOf<typeof ssoSettings>> &
  Partial<Pick<SettingsOf<typeof processSettings>, 'NODE_ENV'>>;

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

/** @returns the page as it is written; undefined if nobody can be sent there */
function readReturnUrl(value: string, production: boolean): string | undefined {
  const url = parseUrl(value);
  if (!url || url.username !== '' || url.password !== '' || value.includes('#')) return undefined;
  if (url.protocol !== 'https:' && (production || url.protocol !== 'http:')) return undefined;
  return url.href;
}

const modeOf = ({ NODE_ENV = 'development' }: SsoEnvironment) => ({ NODE_ENV });

/** @returns one sentence for each invalid setting */
export function findSsoProblems(env: SsoEnvironment): string[] {
  const problems: string[] = [];
  if (!splitNames(env.SSO_ALLOWED_HOSTS).every(isEntry)) {
    problems.push(
      'SSO_ALLOWED_HOSTS must list hosts, with or without a port, and ranges of addresses: idp.corp.example, idp.corp.example:8443 or 10.20.0.0/16.',
    );
  }
  const { SSO_RETURN_URL } = env;
  if (SSO_RETURN_URL !== undefined && !readReturnUrl(SSO_RETURN_URL, isProduction(modeOf(env)))) {
    problems.push(
      'SSO_RETURN_URL must be the page of your product that finishes a sign-in, such as https://app.example/signed-in, without a fragment; in production with https.',
    );
  }
  return problems;
}

interface SsoSettings {
  readonly ssoAllowedHosts: AllowedHosts;
  /** The page to which browsers return from a provider; undefined for the public address. */
  readonly ssoReturnUrl: string | undefined;
}

/** Reads settings that {@link findSsoProblems} has accepted. */
export function readSsoSettings(env: SsoEnvironment): SsoSettings {
  const entries = splitNames(env.SSO_ALLOWED_HOSTS);
  const places = entries
    .filter((entry) => !entry.includes('/'))
    .flatMap((entry) => readPlace(entry) ?? []);
  const ranges = entries.flatMap((entry) => {
    const range = readRange(entry);
    return range ? [range] : [];
  });
  const { SSO_RETURN_URL } = env;
  return {
    ssoAllowedHosts: Object.freeze({ places, ranges }),
    ssoReturnUrl:
      SSO_RETURN_URL === undefined
        ? undefined
        : readReturnUrl(SSO_RETURN_URL, isProduction(modeOf(env))),
  };
}
