import ipaddr from 'ipaddr.js';

const NAMED_RANGES = new Set(['loopback', 'linklocal', 'uniquelocal']);

const namesProxy = (part: string) =>
  NAMED_RANGES.has(part) || ipaddr.isValid(part) || ipaddr.isValidCIDR(part);

/** TRUST_PROXY as Express takes it: a number of hops, or addresses and ranges; false where nobody is trusted. */
export function parseTrustProxy(value: string | undefined): number | string[] | false {
  if (!value || value === 'false') return false;
  if (/^\d+$/.test(value)) return Number(value);
  return value.split(',').map((part) => part.trim());
}

/** Whether all that is named are proxies: `true`, say, would trust everybody. */
export function namesProxies(value: string | undefined): boolean {
  const proxies = parseTrustProxy(value);
  return !Array.isArray(proxies) || proxies.every(namesProxy);
}
