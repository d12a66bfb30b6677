import type { Random } from '../context';
import type { KeyRing } from '../keyRing';
import { readTypedCode } from './typedCode';

/** Crockford's base32: no letter that looks like a digit, and 32 divides 256, so no letter is likelier. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const GROUP = 5;
const GROUPS = 3;
/** Codes of earlier releases had two groups; those that were written down still work. */
const EARLIER_GROUPS = 2;

/** How many are made at once. */
export const RECOVERY_CODES = 10;

/**
 * A code of 75 random bits, as it is shown: `xxxxx-xxxxx-xxxxx`. The stored hash is fast, so the code itself has to be out
 * of reach of guessing offline (ASVS 6.5.2).
 */
export function newRecoveryCode(random: Random): string {
  const letters = [...random.bytes(GROUP * GROUPS)].map((byte) => ALPHABET[byte % 32]);
  const group = (at: number) => letters.slice(at * GROUP, (at + 1) * GROUP).join('');
  return Array.from({ length: GROUPS }, (_, at) => group(at)).join('-');
}

/** As people type it: any case, with or without the dashes, O for 0 and I or L for 1 (Crockford). */
export const readRecoveryCode = (typed: string): string =>
  readTypedCode(typed).toLowerCase().replaceAll('o', '0').replaceAll(/[il]/g, '1');

const FORM = /^[0-9a-hjkmnp-tv-z]+$/;

/** Whether something typed may be a recovery code at all. */
export function looksLikeRecoveryCode(typed: string): boolean {
  const code = readRecoveryCode(typed);
  return FORM.test(code) && [GROUPS, EARLIER_GROUPS].some((most) => code.length === most * GROUP);
}

/** What is stored: bound to its owner, so that one's row is worth nothing to another. */
export const hashRecoveryCode = (keys: KeyRing, staffId: string, typed: string): string =>
  keys.hash('recovery-code', staffId, readRecoveryCode(typed)).toString('hex');

/** The same under each accepted key: a code that was made before a rotation still fits. */
export const hashesOfRecoveryCode = (keys: KeyRing, staffId: string, typed: string): string[] =>
  keys
    .hashAll('recovery-code', staffId, readRecoveryCode(typed))
    .map((hash) => hash.toString('hex'));
