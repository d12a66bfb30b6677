import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';

/*
 * What the verifier uses of node:crypto, where there is no Node.js. WebCrypto cannot do it: it hashes no streams, and only where a
 * page was opened by HTTPS.
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

/** SHA-256 at once. */
export const hash = (_algorithm: 'sha256', data: Uint8Array, _encoding: 'buffer'): Buffer =>
  toBuffer(sha256(data));

/** SHA-256 bit by bit. */
export function createHash(_algorithm: 'sha256') {
  const hashing = sha256.create();
  return {
    update: (data: Uint8Array) => void hashing.update(data),
    digest: (encoding: 'hex'): string => toBuffer(hashing.digest()).toString(encoding),
  };
}

/** @throws Error for what is no public key of Ed25519 */
export function createPublicKey(key: string | { readonly key: Buffer }): Ed25519Key {
  const pem = /^-----BEGIN PUBLIC KEY-----([^-]+)-----END PUBLIC KEY-----\s*$/;
  const der = typeof key === 'string' ? Buffer.from(pem.exec(key)?.[1] ?? '', 'base64') : key.key;
  const raw = der.subarray(SPKI_HEAD.length / 2);
  if (raw.length !== KEY_BYTES || !der.toString('hex').startsWith(SPKI_HEAD)) {
    throw new Error('it is no public key of Ed25519');
  }
  return { asymmetricKeyType: 'ed25519', raw, export: () => der };
}

/** Ed25519 (RFC 8032). */
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

/** Nothing is signed here. */
export function sign(): never {
  throw new Error('this page signs nothing');
}
