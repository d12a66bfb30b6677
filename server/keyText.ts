import { crc32 } from 'node:zlib';
import type { Random } from './context';

/** A key of a program: `s` for a service key, `t` for a tenant's API key. */
export type ProgramKeyKind = 's' | 't';

const PREFIX = 'ghk_';
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const BASE = BigInt(DIGITS.length);
const SECRET_BYTES = 32;
/** 62^43 is greater than 2^256, so a secret of 32 bytes always fits. */
const SECRET_DIGITS = 43;
/** 62^6 is greater than 2^32. */
const CHECKSUM_DIGITS = 6;
const WHOLE = /^ghk_([st])[0-9A-Za-z]{49}$/;

function toBase62(value: bigint, length: number): string {
  let rest = value;
  let text = '';
  for (let place = 0; place < length; place += 1) {
    text = (DIGITS[Number(rest % BASE)] ?? '') + text;
    rest /= BASE;
  }
  return text;
}

const checksumOf = (text: string): string => toBase62(BigInt(crc32(text)), CHECKSUM_DIGITS);

/** Returns a new key: prefix, kind, 256 random bits and a checksum, in 54 characters. */
export function makeKeyText(random: Pick<Random, 'bytes'>, kind: ProgramKeyKind): string {
  const secret = BigInt(`0x${random.bytes(SECRET_BYTES).toString('hex')}`);
  const text = `${PREFIX}${kind}${toBase62(secret, SECRET_DIGITS)}`;
  return text + checksumOf(text);
}

/** Returns whether a bearer token is meant as a key of a program, well formed or not. */
export const looksLikeKey = (token: string): boolean => token.startsWith(PREFIX);

/**
 * Checks the form and the checksum of a key, without the database.
 * @returns its kind, or undefined if no Gatehouse has made it
 */
export function kindOfKey(text: string): ProgramKeyKind | undefined {
  const kind = WHOLE.exec(text)?.[1];
  const checked = text.length - CHECKSUM_DIGITS;
  if (checksumOf(text.slice(0, checked)) !== text.slice(checked)) return undefined;
  return kind === 's' || kind === 't' ? kind : undefined;
}
