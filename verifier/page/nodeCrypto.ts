import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';

/*
 * Replaces the parts of node:crypto that the verifier uses, because a browser has no Node.js.
 * WebCrypto cannot replace them: it cannot hash a stream, and it is only available on a page that
 * was opened by HTTPS.
 */

const SPKI_HEAD = '302a300506032b6570032100';
const KEY_BYTES = 32;

interface Ed25519Key {
  readonly asymmetricKeyType: 'ed25519';
  readonly raw: Buffer;
  export(): Buffer;
}

const toBuffer = ({ buffer, byteOffset, length }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, length);

/** Returns the SHA-256 of the data in one call. */
export const hash = (_algorithm: 'sha256', data: Uint8Array, _encoding: 'buffer'): Buffer =>
  toBuffer(sha256(data));

/** Returns a hash object that computes SHA-256 piece by piece. */
export function createHash(_algorithm: 'sha256') {
  const hashing = sha256.create();
  return {
    update: (data: Uint8Array) => void hashing.update(data),
    digest: (encoding: 'hex'): string => toBuffer(hashing.digest()).toString(encoding),
  };
}

/** @throws Error if it is not a public key of Ed25519 */
export function createPublicKey(key: string | { readonly key: Buffer }): Ed25519Key {
  const pem = /^-----BEGIN PUBLIC KEY-----([^-]+)-----END PUBLIC KEY-----\s*$/;
  const der = typeof key === 'string' ? Buffer.from(pem.exec(key)?.[1] ?? '', 'base64') : key.key;
  const raw = der.subarray(SPKI_HEAD.length / 2);
  if (raw.length !== KEY_BYTES || !der.toString('hex').startsWith(SPKI_HEAD)) {
    throw new Error('it is not a public key of Ed25519');
  }
  return { asymmetricKeyType: 'ed25519', raw, export: () => der };
}

/** Verifies a signature of Ed25519 (RFC 8032). */
export function verify(
  _algorithm: null,
  data: Uint8Array,
  { raw }: Ed25519Key,
  signature: Uint8Array,
): boolean {
  try {
    return ed25519.verify(signature, data, raw, { zip215: false });
  } catch {
    return false;
  }
}

/** Always throws: the page never signs. */
export function sign(): never {
  throw new Error('this page signs nothing');
}
