import { isInRange, readRange } from './clientAddress';

/** The names that Express knows, and their ranges. */
const NAMED_RANGES: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.1/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

/** Whether the part names some addresses, and not all that there are. */
function namesProxy(part: string): boolean {
  if (Object.hasOwn(NAMED_RANGES, part)) return true;
  const range = readRange(part);
  return range !== undefined && range[1] > 0;
}

/** TRUST_PROXY: a number of hops, or addresses and ranges; false if nobody is trusted. */
export function parseTrustProxy(value: string | undefined): number | string[] | false {
  if (!value || value === 'false') return false;
  if (/^\d+$/.test(value)) return Number(value);
  return value.split(',').map((part) => part.trim());
}

/** Whether all that is named are proxies: `true`, say, or `0.0.0.0/0`, would trust everybody. */
export function namesProxies(value: string | undefined): boolean {
  const proxies = parseTrustProxy(value);
  return !Array.isArray(proxies) || proxies.every(namesProxy);
}

/** Whether an address is a proxy's whose headers count; `hop` is 0 for the one that connected. */
export type TrustsProxy = (address: string | null, hop: number) => boolean;

/** @param proxies as {@link parseTrustProxy} returns them */
export function createTrust(proxies: number | readonly string[] | false): TrustsProxy {
  if (proxies === false) return () => false;
  if (typeof proxies === 'number') return (_address, hop) => hop < proxies;
  const ranges = proxies
    .flatMap((part) => NAMED_RANGES[part] ?? [part])
    .flatMap((part) => {
      const range = readRange(part);
      return range ? [range] : [];
    });
  return (address) => address !== null && ranges.some((range) => isInRange(address, range));
}

export interface ClientAddress {
  /** The client's; the proxy's if that did not tell whose. */
  ip: string | null;
  /** A trusted proxy sent no usable address, so that `ip` is its own. */
  silentProxy: boolean;
}

/**
 * Finds the client behind trusted proxies: from the right of X-Forwarded-For, as long as the one to the right is trusted.
 * @param chain the address that connected, then the header's entries from the right, canonical or null
 */
export function findClient(chain: readonly (string | null)[], trusts: TrustsProxy): ClientAddress {
  let hop = 0;
  while (trusts(chain[hop] ?? null, hop)) {
    const next = chain[hop + 1];
    // The chain ends at a proxy that told of its neighbour, but nobody told of the proxy itself: it is the client.
    if (next === undefined && hop > 0) break;
    if (next === undefined || next === null) return { ip: chain[hop] ?? null, silentProxy: true };
    hop += 1;
  }
  return { ip: chain[hop] ?? null, silentProxy: false };
}
