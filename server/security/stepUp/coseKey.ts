import { createPublicKey } from 'node:crypto';
import type { JsonWebKey } from 'node:crypto';
import { cose, decodeCredentialPublicKey } from '@simplewebauthn/server/helpers';

/** The algorithms of authenticators in use, most common first: ES256, EdDSA and RS256. */
export const PASSKEY_ALGORITHMS: number[] = [
  cose.COSEALG.ES256,
  cose.COSEALG.EdDSA,
  cose.COSEALG.RS256,
];

/**
 * NIST SP 800-131A: no RSA key below 2048 bits. The upper limit bounds the cost of a verification.
 */
const RSA_BITS = { least: 2048, most: 4096 };
/** FIPS 186-5 A.1.1. */
const RSA_LEAST_EXPONENT = 65_537n;

/**
 * Converts a COSE key to a JWK. COSE numbers the parameters of each kind of key from -1 down, so
 * one label has several meanings.
 */
function toJwk(key: ReadonlyMap<number, unknown>): JsonWebKey | undefined {
  const [kty, alg, first] = [key.get(1), key.get(3), key.get(-1)];
  const bytes = (label: number): string => {
    const value = key.get(label);
    return value instanceof Uint8Array ? Buffer.from(value).toString('base64url') : '';
  };
  if (kty === cose.COSEKTY.EC2 && alg === cose.COSEALG.ES256 && first === cose.COSECRV.P256) {
    return { kty: 'EC', crv: 'P-256', x: bytes(-2), y: bytes(-3) };
  }
  if (kty === cose.COSEKTY.OKP && alg === cose.COSEALG.EdDSA && first === cose.COSECRV.ED25519) {
    return { kty: 'OKP', crv: 'Ed25519', x: bytes(-2) };
  }
  if (kty === cose.COSEKTY.RSA && alg === cose.COSEALG.RS256) {
    return { kty: 'RSA', n: bytes(-1), e: bytes(-2) };
  }
  return undefined;
}

/**
 * Checks whether a public key in COSE form (RFC 9052 7) is safe to verify with: one of our
 * algorithms with its matching curve (WebAuthn Level 3 5.8.5), a point on that curve, and for RSA a
 * sound size.
 * @param coseKey the CBOR bytes from the authenticator
 * @throws if the bytes are not CBOR, or not a key
 */
export function isSoundKey(coseKey: Uint8Array<ArrayBuffer>): boolean {
  const decoded: unknown = decodeCredentialPublicKey(coseKey);
  const jwk = decoded instanceof Map ? toJwk(decoded as Map<number, unknown>) : undefined;
  if (!jwk) return false;
  const details = createPublicKey({ key: jwk, format: 'jwk' }).asymmetricKeyDetails ?? {};
  if (jwk.kty !== 'RSA') return true;
  const { modulusLength: bits = 0, publicExponent = 0n } = details;
  const sized = bits >= RSA_BITS.least && bits <= RSA_BITS.most;
  return sized && publicExponent >= RSA_LEAST_EXPONENT;
}
