import ipaddr from 'ipaddr.js';

type Address = ReturnType<typeof ipaddr.parse>;

/** How much of ::ffff:0:0/96 comes before the IPv4 address. */
const MAPPED_BITS = 96;

/**
 * Strictly: ipaddr.js reads `10.1` as 10.0.0.1 and 010.0.0.1 as 8.0.0.1, which are slips in a list and tricks in a header.
 */
const isWritten = (text: string): boolean =>
  text.includes(':') ? ipaddr.IPv6.isValid(text) : ipaddr.IPv4.isValidFourPartDecimal(text);

/** A port after an IPv4 address, also a mapped one, or after brackets; a lone IPv6 address has no place for one. */
const WITH_PORT = /^(?:\[(?<bracketed>[^[\]]+)\]|(?<plain>.*\d\.\d+))(?::\d{1,5})?$/;
/** RFC 4007 11: which interface of the sender's own host, so it says nothing here. */
const ZONE = /%[^%]*$/;

/**
 * Reads one address as sockets, proxies and headers write it, and returns its one canonical form: without port, brackets
 * and zone, a mapped IPv4 address as the IPv4 address that it is.
 * @returns null for text that is no address
 */
export function readAddress(text: string | null | undefined): string | null {
  const written = text?.trim() ?? '';
  const { bracketed, plain } = WITH_PORT.exec(written)?.groups ?? {};
  const bare = (bracketed ?? plain ?? written).replace(ZONE, '');
  return isWritten(bare) ? ipaddr.process(bare).toString() : null;
}

/**
 * Reads an address or a CIDR range of a setting or a list; a range of mapped IPv4 addresses is one of IPv4.
 * @returns the address, and how many of its bits count
 */
export function readRange(text: string): [Address, number] | undefined {
  const [base = '', prefix] = text.split('/');
  if (!isWritten(base) || (prefix !== undefined && !ipaddr.isValidCIDR(text))) return undefined;
  const written = ipaddr.parse(base);
  const bits = prefix === undefined ? written.toByteArray().length * 8 : Number(prefix);
  const address = ipaddr.process(base);
  return address.kind() === written.kind() || bits < MAPPED_BITS
    ? [written, bits]
    : [address, bits - MAPPED_BITS];
}

/** @param address in the form of {@link readAddress} */
export function isInRange(address: string, [base, bits]: [Address, number]): boolean {
  const parsed = ipaddr.parse(address);
  return parsed.kind() === base.kind() && parsed.match([base, bits] as [ipaddr.IPv4, number]);
}
