import { isInRange, readRange } from '../http/clientAddress';

/** The names that Express accepts, and their ranges. */
const NAMED_RANGES: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.1/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
};

/**
 * The shortest prefix that a range of proxies may have. Two shorter ones could contain every
 * address. The private ranges 10.0.0.0/8 and fc00::/7 are accepted.
 */
const SHORTEST_PREFIX = { ipv4: 8, ipv6: 7 } as const;
/** No chain of proxies is longer. A large number would trust the client's own entries. */
const MOST_HOPS = 16;

/** Returns whether the part names proxies, and not everybody. */
function namesProxy(part: string): boolean {
  if (Object.hasOwn(NAMED_RANGES, part)) return true;
  const range = readRange(part);
  return range !== undefined && range[1] >= SHORTEST_PREFIX[range[0].kind()];
}

/** Parses TRUST_PROXY: a number of hops, or addresses and ranges; false if nobody is trusted. */
export function parseTrustProxy(value: string | undefined): number | string[] | false {
  if (!value || value === 'false') return false;
  if (/^\d+$/.test(value)) return Number(value);
  return value.split(',').map((part) => part.trim());
}

/**
 * Returns whether the value names only proxies: `true`, `0.0.0.0/0` or `999999`, for example, would
 * trust everybody.
 */
export function namesProxies(value: string | undefined): boolean {
  const proxies = parseTrustProxy(value);
  if (typeof proxies === 'number') return proxies <= MOST_HOPS;
  return proxies === false || proxies.every(namesProxy);
}

/**
 * Returns whether an address belongs to a proxy whose headers are trusted; `hop` is 0 for the
 * address that connected.
 */
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
  /** The client's address, or the proxy's if it did not send the client's. */
  ip: string | null;
  /** A trusted proxy sent no usable address, so `ip` is its own. */
  silentProxy: boolean;
}

/**
 * Finds the client behind trusted proxies: it reads X-Forwarded-For from the right for as long as
 * the address to the right is trusted.
 * @param chain the address that connected, then the header's entries from the right, canonical or
 * null
 */
export function findClient(chain: readonly (string | null)[], trusts: TrustsProxy): ClientAddress {
  let hop = 0;
  while (trusts(chain[hop] ?? null, hop)) {
    const next = chain[hop + 1];
    // The last entry is itself a trusted address, and no entry names a client behind it, so it is
    // the client.
    if (next === undefined && hop > 0) break;
    if (next === undefined || next === null) return { ip: chain[hop] ?? null, silentProxy: true };
    hop += 1;
  }
  return { ip: chain[hop] ?? null, silentProxy: false };
}
