import ipaddr from 'ipaddr.js';

/** The block of IPv6 that is allocated to the internet (RFC 4291 2.4). */
const GLOBAL_IPV6 = ipaddr.parseCIDR('2000::/3');

type Address = ReturnType<typeof ipaddr.parse>;

/** @returns the address, with an IPv4 address out of its mapped form; undefined with a zone */
function readAddress(text: string): Address | undefined {
  // A zone such as `%eth0` names a network of this machine.
  if (text.includes('%') || !ipaddr.isValid(text)) return undefined;
  return ipaddr.process(text);
}

/**
 * Returns whether an address belongs to the public internet: not to this machine, not to a private
 * or link-local network, and to no range that is reserved or that leads to such a network.
 */
export function isPublic(text: string): boolean {
  const address = readAddress(text);
  if (address?.range() !== 'unicast') return false;
  // `range()` also calls blocks of IPv6 unicast that nobody has been given.
  return address.kind() === 'ipv4' || address.match(GLOBAL_IPV6);
}

/** Returns whether an address lies in one of these ranges. */
export function isWithin(
  text: string,
  ranges: readonly ReturnType<typeof ipaddr.parseCIDR>[],
): boolean {
  const address = readAddress(text);
  return ranges.some(
    ([network, bits]) => address?.kind() === network.kind() && address.match([network, bits]),
  );
}
