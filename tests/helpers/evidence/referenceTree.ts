import { createHash } from 'node:crypto';

/**
 * Implements RFC 6962 2.1 to 2.1.2 literally: slow, recursive, and without any code of the server.
 */
const sha256 = (...parts: Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest();

const split = (n: number): number => {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
};

/** MTH(D[n]) */
export function treeHash(entries: readonly Buffer[]): Buffer {
  const [first] = entries;
  if (!first) return sha256();
  if (entries.length === 1) return sha256(Buffer.from([0]), first);
  const k = split(entries.length);
  const [left, right] = [treeHash(entries.slice(0, k)), treeHash(entries.slice(k))];
  return sha256(Buffer.from([1]), left, right);
}

/** PATH(m, D[n]) */
export function auditPath(m: number, entries: readonly Buffer[]): Buffer[] {
  if (entries.length === 1) return [];
  const k = split(entries.length);
  const [left, right] = [entries.slice(0, k), entries.slice(k)];
  return m < k
    ? [...auditPath(m, left), treeHash(right)]
    : [...auditPath(m - k, right), treeHash(left)];
}

/** SUBPROOF(m, D[n], b); PROOF(m, D[n]) is SUBPROOF(m, D[n], true). */
export function consistencyPath(m: number, entries: readonly Buffer[], whole = true): Buffer[] {
  if (m === entries.length) return whole ? [] : [treeHash(entries)];
  const k = split(entries.length);
  const [left, right] = [entries.slice(0, k), entries.slice(k)];
  return m <= k
    ? [...consistencyPath(m, left, whole), treeHash(right)]
    : [...consistencyPath(m - k, right, false), treeHash(left)];
}

/** Returns entries that all differ. */
export const madeUpEntries = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, n) => Buffer.from(`entry ${n}`));
