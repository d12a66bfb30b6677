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

/** The first token of a login that a proof finished, likewise: a purpose of its own, so that no successor equals it. */
export function deriveFirstToken(
  keys: KeyRing,
  challengeId: string,
  idempotencyKey: string,
): string {
  return PREFIX + keys.hash('login-token', challengeId, idempotencyKey).toString('base64url');
}

/** What the database holds of a token. */
export function hashRefreshToken(keys: KeyRing, token: string): string {
  return keys.hash('refresh-token', token).toString('hex');
}

export const looksLikeRefreshToken = (value: string): boolean => TOKEN.test(value);
