import type { Random } from '../context';
import type { KeyRing } from '../keyRing';

/** A typed prefix: secret scanners find a leaked token, and no other secret of ours is taken for one. */
const PREFIX = 'ghr_';
const TOKEN = /^ghr_[A-Za-z0-9_-]{43}$/;

/** 256 random bits. */
export function newRefreshToken(random: Random): string {
  return PREFIX + random.bytes(32).toString('base64url');
}

/**
 * The successor of a token for a client that may have to ask twice: the same token with the same key gives
 * the same successor, which is therefore stored nowhere. Without the server's key nobody can derive it.
 */
export function deriveSuccessor(keys: KeyRing, presented: string, idempotencyKey: string): string {
  return PREFIX + keys.hash('refresh-successor', presented, idempotencyKey).toString('base64url');
}

/** The successors under each accepted key: the first answer may have been given before a rotation, or by another node. */
export const deriveSuccessors = (
  keys: KeyRing,
  presented: string,
  idempotencyKey: string,
): string[] =>
  keys
    .hashAll('refresh-successor', presented, idempotencyKey)
    .map((hash) => PREFIX + hash.toString('base64url'));

/**
 * The first tokens, under each accepted key, of a login that a proof finished: a purpose of its own, so that no successor
 * equals one. The current key's is the first.
 */
export const deriveFirstTokens = (
  keys: KeyRing,
  challengeId: string,
  idempotencyKey: string,
): string[] =>
  keys
    .hashAll('login-token', challengeId, idempotencyKey)
    .map((hash) => PREFIX + hash.toString('base64url'));

/** What the database holds of a token. */
export function hashRefreshToken(keys: KeyRing, token: string): string {
  return keys.hash('refresh-token', token).toString('hex');
}

/** What the database holds of a token, under each accepted key, the current one first. */
export const hashesOfRefreshToken = (keys: KeyRing, token: string): string[] =>
  keys.hashAll('refresh-token', token).map((hash) => hash.toString('hex'));

export const looksLikeRefreshToken = (value: string): boolean => TOKEN.test(value);
