import type { Random } from '../context';
import type { KeyRing } from '../keyRing';

/** Crockford's base32: no letter that looks like a digit, and 32 divides 256, so no letter is likelier. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const LENGTH = 10;

/** How many are made at once. */
export const RECOVERY_CODES = 10;

/** A code of 50 random bits, as it is shown: `xxxxx-xxxxx`. */
export function newRecoveryCode(random: Random): string {
  const letters = [...random.bytes(LENGTH)].map((byte) => ALPHABET[byte % 32]).join('');
  return `${letters.slice(0, 5)}-${letters.slice(5)}`;
}

/** As people type it: any case, with or without the dash, O for 0 and I or L for 1 (Crockford). */
export const readRecoveryCode = (typed: string): string =>
  typed.toLowerCase().replaceAll('-', '').replaceAll('o', '0').replaceAll(/[il]/g, '1');

/** Whether something typed may be a recovery code at all. */
export const looksLikeRecoveryCode = (typed: string): boolean =>
  /^[0-9a-hjkmnp-tv-z]{10}$/.test(readRecoveryCode(typed));

/** What is stored: bound to its owner, so that one's row is worth nothing to another. */
export const hashRecoveryCode = (keys: KeyRing, staffId: string, typed: string): string =>
  keys.hash('recovery-code', staffId, readRecoveryCode(typed)).toString('hex');
