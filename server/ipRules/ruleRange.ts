import ipaddr from 'ipaddr.js';

type Address = ReturnType<typeof ipaddr.parse>;

/** A range of addresses, as bytes: 4 for IPv4, 16 for IPv6. */
export interface RuleRange {
  readonly bytes: readonly number[];
  readonly bits: number;
}

/** RFC 6052, 2.1: the well-known prefix whose last 32 bits are an IPv4 address. */
const NAT64 = ipaddr.parseCIDR('64:ff9b::/96') as [ipaddr.IPv6, number];
/** How many bits stand before the IPv4 address, in mapped (RFC 4291, 2.5.5.2) and NAT64 addresses. */
const EMBEDDED_AT = 96;

const isV6 = (address: Address): address is ipaddr.IPv6 => address.kind() === 'ipv6';

/** Returns the IPv4 address inside an IPv4-mapped or a NAT64 address, and any other one unchanged. */
function unembed(address: Address): Address {
  if (!isV6(address)) return address;
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  if (!address.match(NAT64)) return address;
  return new ipaddr.IPv4(address.toByteArray().slice(12));
}

/** Returns whether the bits after a mask are all zero. */
const isAligned = (bytes: readonly number[], bits: number): boolean =>
  bytes.every((byte, at) => {
    const kept = Math.min(8, Math.max(0, bits - at * 8));
    return (byte & (0xff >> kept)) === 0;
  });

const IPV4 = /^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/;

/**
 * Returns the address, or what is wrong with it. Each part of an IPv4 address is decimal without
 * leading zeros: others read `010.0.0.1` as octal, and `10.1` as 10.0.0.1.
 */
function readWritten(text: string): Address | string {
  if (text.includes('%')) return 'must not have a zone id';
  const v4 = text.includes(':') ? /[^:]*\..*$/.exec(text)?.[0] : text;
  if (v4 !== undefined && !IPV4.test(v4)) {
    return /^[\d.]+$/.test(v4) && /(?:^|\.)0\d/.test(v4)
      ? 'must not have leading zeros'
      : 'must be an IP address or a CIDR range';
  }
  if (!text.includes(':') ? !ipaddr.IPv4.isValid(text) : !ipaddr.IPv6.isValid(text)) {
    return 'must be an IP address or a CIDR range';
  }
  return ipaddr.parse(text);
}

/** Returns a mask as a number of bits, or what is wrong with it. */
function readMask(mask: string | undefined, most: number): number | string {
  if (mask === undefined) return most;
  if (!/^(?:0|[1-9]\d{0,2})$/.test(mask)) return 'must end with a mask in bits, such as /24';
  const bits = Number(mask);
  return bits <= most ? bits : `must have a mask of at most ${most} bits`;
}

/** Clears the bits after a mask. */
const align = (bytes: readonly number[], bits: number): number[] =>
  bytes.map((byte, at) => byte & ~(0xff >> Math.min(8, Math.max(0, bits - at * 8))) & 0xff);

const toText = (bytes: readonly number[]) => ipaddr.fromByteArray([...bytes]).toString();

/**
 * Reads an address or a CIDR range as an administrator writes it. A range of IPv4-mapped or NAT64
 * addresses becomes an IPv4 range. An address alone is a range of one.
 * @returns the range, or a sentence that says what is wrong with the text
 */
export function readRuleRange(text: string): RuleRange | string {
  const [base = '', mask, ...more] = text.split('/');
  if (more.length > 0) return 'must be an IP address or a CIDR range';
  const written = readWritten(base);
  if (typeof written === 'string') return written;
  const bytes = written.toByteArray();
  const bits = readMask(mask, bytes.length * 8);
  if (typeof bits === 'string') return bits;
  if (!isAligned(bytes, bits)) {
    return `has bits after its mask: write ${toText(align(bytes, bits))}/${bits}`;
  }
  const inner = unembed(written);
  if (inner === written || bits < EMBEDDED_AT) return { bytes, bits };
  return { bytes: inner.toByteArray(), bits: bits - EMBEDDED_AT };
}

/** Returns a range as it is stored and shown: the canonical address (RFC 5952), and always the mask. */
export const writeRuleRange = ({ bytes, bits }: RuleRange): string => `${toText(bytes)}/${bits}`;

/** Returns a stored range as {@link writeRuleRange} writes it: Postgres writes some IPv6 addresses otherwise. */
export function canonicalRange(stored: string): string {
  const range = readRuleRange(stored);
  return typeof range === 'string' ? stored : writeRuleRange(range);
}

/** Bits as a number, and how many there are: 32 for IPv4, 128 for IPv6. */
export interface Bits {
  readonly value: bigint;
  readonly length: number;
}

const toBits = (bytes: readonly number[]): Bits => ({
  value: BigInt(`0x${Buffer.from(bytes).toString('hex')}`),
  length: bytes.length * 8,
});

/**
 * Returns the bits of an address that a request came from, in the form in which ranges are stored.
 * @param address the text that `readAddress` returned
 */
export const addressBits = (address: string): Bits =>
  toBits(unembed(ipaddr.parse(address)).toByteArray());

/** Returns the first bits of an address. Two addresses are in one range if these are the same. */
export const prefixOf = ({ value, length }: Bits, bits: number): bigint =>
  value >> BigInt(length - bits);

/** Returns the bits of the first address of a range. */
export const rangeBits = ({ bytes }: RuleRange): Bits => toBits(bytes);
