import type { Random } from '../../context';

/**
 * Creates six digits, all codes equally likely: values in the incomplete last range of 2^32 are
 * discarded.
 */
export function newMailedCode(random: Random): string {
  const most = 4_294_000_000;
  let number = most;
  while (number >= most) number = random.bytes(4).readUInt32BE();
  return String(number % 1_000_000).padStart(6, '0');
}
