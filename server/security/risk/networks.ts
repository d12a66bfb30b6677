import ipaddr from 'ipaddr.js';
import { readAddress } from '../../http/clientAddress';

/**
 * Names the network of an address: the block of its provider, estimated from the address alone
 * (IPv4 /16, IPv6 /32, the usual sizes). The number of the autonomous system is more accurate and
 * is used if it is known.
 * @param asn the number of the autonomous system, if known
 * @returns null for a private, loopback or missing address
 */
export function networkOf(ip: string | null, asn: number | null = null): string | null {
  if (asn !== null) return `AS${asn}`;
  const canonical = readAddress(ip);
  if (canonical === null) return null;
  const address = ipaddr.parse(canonical);
  if (address.range() !== 'unicast') return null;
  const bytes = address.toByteArray();
  if (address.kind() === 'ipv4') return `${bytes[0]}.${bytes[1]}.0.0/16`;
  const [a, b, c, d] = bytes.map((byte) => byte.toString(16).padStart(2, '0'));
  return `${a}${b}:${c}${d}::/32`;
}
