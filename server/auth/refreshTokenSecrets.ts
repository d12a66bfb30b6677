import type { Random } from '../context';
import type { KeyRing } from '../keyRing';

/**
 * A typed prefix lets secret scanners find a leaked token, and distinguishes it from our other
 * secrets.
 */
const PREFIX = 'ghr_';
const TOKEN = /^ghr_[A-Za-z0-9_-]{43}$/;

/** Returns a new token with 256 random bits. */
export function newRefreshToken(random: Random): string {
  return PREFIX + random.bytes(32).toString('base64url');
}

/**
 * Derives the successor of a token for a client that may have to retry: the same token and key
 * always give the same successor, so it need not be stored. Nobody can derive it without the
 * server's key.
 */
export function deriveSuccessor(keys: KeyRing, presented: string, idempotencyKey: string): string {
  return PREFIX + keys.hash('refresh-successor', presented, idempotencyKey).toString('base64url');
}

/**
 * Derives the successor under each accepted key: the first answer may have been given before a key
 * rotation, or by another node.
 */
export const deriveSuccessors = (
  keys: KeyRing,
  presented: string,
  idempotencyKey: string,
): string[] =>
  keys
    .hashAll('refresh-successor', presented, idempotencyKey)
    .map((hash) => PREFIX + hash.toString('base64url'));

/**
 * Derives the first token, under each accepted key, of a login that a proof completed; that of the
 * current key comes first. The separate purpose keeps it from equalling any successor.
 */
export const deriveFirstTokens = (
  keys: KeyRing,
  challengeId: string,
  idempotencyKey: string,
): string[] =>
  keys
    .hashAll('login-token', challengeId, idempotencyKey)
    .map((hash) => PREFIX + hash.toString('base64url'));

/** Returns the hash of a token that the database stores. */
export function hashRefreshToken(keys: KeyRing, token: string): string {
  return keys.hash('refresh-token', token).toString('hex');
}

/** Returns the stored hash of a token under each accepted key, the current one first. */
export const hashesOfRefreshToken = (keys: KeyRing, token: string): string[] =>
  keys.hashAll('refresh-token', token).map((hash) => hash.toString('hex'));

export const looksLikeRefreshToken = (value: string): boolean => TOKEN.test(value);
