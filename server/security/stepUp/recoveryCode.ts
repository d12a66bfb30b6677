import type { Random } from '../../context';
import type { KeyRing } from '../../keyRing';
import { readTypedCode } from './typedCode';

/**
 * Crockford's base32 has no letter that looks like a digit. 32 divides 256, so all letters are
 * equally likely.
 */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const GROUP = 5;
const GROUPS = 3;
/** Codes of earlier releases had two groups and are still accepted. */
const EARLIER_GROUPS = 2;

/** How many codes are created at once. */
export const RECOVERY_CODES = 10;

/**
 * Creates a code of 75 random bits in its printed form: `xxxxx-xxxxx-xxxxx`. The stored hash is
 * fast, so the code itself must be too long to guess offline (ASVS 6.5.2).
 */
export function newRecoveryCode(random: Random): string {
  const letters = [...random.bytes(GROUP * GROUPS)].map((byte) => ALPHABET[byte % 32]);
  const group = (at: number) => letters.slice(at * GROUP, (at + 1) * GROUP).join('');
  return Array.from({ length: GROUPS }, (_, at) => group(at)).join('-');
}

/**
 * Normalises a typed code: any case, with or without dashes, O for 0 and I or L for 1 (Crockford).
 */
export const readRecoveryCode = (typed: string): string =>
  readTypedCode(typed).toLowerCase().replaceAll('o', '0').replaceAll(/[il]/g, '1');

const FORM = /^[0-9a-hjkmnp-tv-z]+$/;

/** Returns whether a typed text has the form of a recovery code. */
export function looksLikeRecoveryCode(typed: string): boolean {
  const code = readRecoveryCode(typed);
  return FORM.test(code) && [GROUPS, EARLIER_GROUPS].some((most) => code.length === most * GROUP);
}

/**
 * Returns the stored hash. It is bound to the owner, so a row copied to another person is useless.
 */
export const hashRecoveryCode = (keys: KeyRing, staffId: string, typed: string): string =>
  keys.hash('recovery-code', staffId, readRecoveryCode(typed)).toString('hex');

/**
 * Returns this hash under each accepted key, so that codes created before a key rotation still
 * match.
 */
export const hashesOfRecoveryCode = (keys: KeyRing, staffId: string, typed: string): string[] =>
  keys
    .hashAll('recovery-code', staffId, readRecoveryCode(typed))
    .map((hash) => hash.toString('hex'));
