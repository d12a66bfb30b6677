import { isInRange, isWithin, readRange } from '../http/clientAddress';

const rangesOf = (addresses: readonly string[]) =>
  addresses.flatMap((text) => {
    const range = readRange(text);
    return range ? [range] : [];
  });

/**
 * Returns whether a key with these addresses may be used from an address. An empty list allows all,
 * and an address that is not known is in no range.
 */
export const isAllowed = (addresses: readonly string[], ip: string | null): boolean =>
  addresses.length === 0 ||
  (ip !== null && rangesOf(addresses).some((range) => isInRange(ip, range)));

/**
 * Returns whether a list of addresses allows some that another list does not. A range that only
 * several others cover together counts as wider.
 */
export function isWider(after: readonly string[], before: readonly string[]): boolean {
  if (before.length === 0) return false;
  if (after.length === 0) return true;
  const allowed = rangesOf(before);
  return !rangesOf(after).every((range) => allowed.some((outer) => isWithin(range, outer)));
}
