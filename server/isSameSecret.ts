import { timingSafeEqual } from 'node:crypto';

/**
 * Returns whether two secrets are equal. The time it takes depends on their lengths only, so that
 * nobody can find a secret byte by byte. Texts are compared in UTF-8.
 */
export function isSameSecret(one: string | Uint8Array, other: string | Uint8Array): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
