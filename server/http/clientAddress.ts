import ipaddr from 'ipaddr.js';

type Address = ReturnType<typeof ipaddr.parse>;

/** The bits of ::ffff:0:0/96 before the IPv4 address. */
const MAPPED_BITS = 96;

/**
 * Stricter than ipaddr.js, which reads `10.1` as 10.0.0.1 and 010.0.0.1 as 8.0.0.1. These are
 * mistakes in a list and attacks in a header.
 */
const isWritten = (text: string): boolean =>
  text.includes(':') ? ipaddr.IPv6.isValid(text) : ipaddr.IPv4.isValidFourPartDecimal(text);

/**
 * Matches a port after an IPv4 address, also an IPv4-mapped one, or after brackets. An IPv6 address
 * without brackets cannot have one.
 */
const WITH_PORT = /^(?:\[(?<bracketed>[^[\]]+)\]|(?<plain>.*\d\.\d+))(?::\d{1,5})?$/;
/** RFC 4007 11: the zone names an interface of the sender's host, so it means nothing here. */
const ZONE = /%[^%]*$/;

/**
 * Reads one address as sockets, proxies and headers write it. It removes port, brackets and zone,
 * and turns an IPv4-mapped address into IPv4.
 * @returns the canonical form, or null if the text is not an address
 */
export function readAddress(text: string | null | undefined): string | null {
  const written = text?.trim() ?? '';
  const { bracketed, plain } = WITH_PORT.exec(written)?.groups ?? {};
  const bare = (bracketed ?? plain ?? written).replace(ZONE, '');
  return isWritten(bare) ? ipaddr.process(bare).toString() : null;
}

/**
 * Reads an address or a CIDR range from a setting or a list; a range of IPv4-mapped addresses
 * becomes an IPv4 range.
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

/** Returns whether every address of a range is in another one; an address is a range of one. */
export const isWithin = ([base, bits]: [Address, number], outer: [Address, number]): boolean =>
  bits >= outer[1] && isInRange(base.toString(), outer);

/** @param address in the form that {@link readAddress} returns */
export function isInRange(address: string, [base, bits]: [Address, number]): boolean {
  const parsed = ipaddr.parse(address);
  return parsed.kind() === base.kind() && parsed.match([base, bits] as [ipaddr.IPv4, number]);
}
