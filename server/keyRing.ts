import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { ConfigError } from './config';
import type { Secrets } from './config';

/** What a keyed hash is for: each purpose has its own key, so that no hash of one fits another. */
export type HashPurpose =
  | 'refresh-token'
  | 'refresh-successor'
  | 'challenge'
  | 'device'
  | 'attempt-subject'
  | 'recovery-code'
  | 'notice'
  | 'email-code';

export interface PublicJwk {
  kty: string;
  crv: string;
  x: string;
  y: string;
  kid: string;
  alg: 'ES256';
  use: 'sig';
}

export interface KeyRing {
  /** Signs access tokens. */
  readonly signing: { readonly kid: string; readonly key: KeyObject };
  /** By `kid`: the current key and the retired ones. */
  readonly verifying: ReadonlyMap<string, KeyObject>;
  readonly jwks: { readonly keys: readonly PublicJwk[] };
  /** HMAC-SHA-256 under the key of one purpose. */
  hash(purpose: HashPurpose, ...parts: string[]): Buffer;
  /** AES-256-GCM; `boundTo` is authenticated with it, so that a sealed value fits one row alone. */
  seal(plain: Buffer, boundTo: string): Buffer;
  /** @throws where the value was tampered with or belongs elsewhere */
  open(sealed: Buffer, boundTo: string): Buffer;
  /** Ed25519: signs evidence. */
  readonly evidence: {
    readonly keyId: string;
    readonly key: KeyObject;
    readonly publicKey: KeyObject;
    readonly publicPem: string;
    /** Public keys whose signatures are believed: this one, then the retired ones. */
    readonly believed: readonly EvidenceKey[];
  };
}

/** A public key that signs, or signed, evidence. */
export interface EvidenceKey {
  /** The first 16 hexadecimal digits of the SHA-256 of its SPKI form. */
  readonly keyId: string;
  readonly publicKey: KeyObject;
  readonly publicPem: string;
}

const PURPOSES: readonly HashPurpose[] = [
  'refresh-token',
  'refresh-successor',
  'challenge',
  'device',
  'attempt-subject',
  'recovery-code',
  'email-code',
  'notice',
];

function readPrivateKey(name: string, pem: string, type: 'ec' | 'ed25519'): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new ConfigError([`${name} is not a private key in PEM form (${String(cause)}).`]);
  }
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType !== type || (type === 'ec' && curve !== 'prime256v1')) {
    throw new ConfigError([`${name} must be an ${type === 'ec' ? 'EC P-256' : 'Ed25519'} key.`]);
  }
  return key;
}

function readSymmetricKey(name: string, value: string): Buffer {
  const key = Buffer.from(value, 'base64');
  if (key.length !== 32) throw new ConfigError([`${name} must be 32 bytes in base64.`]);
  return key;
}

/** RFC 7638: the thumbprint names a key without anybody having to number keys. */
function toPublicJwk(key: KeyObject): PublicJwk {
  const { crv, kty, x, y } = key.export({ format: 'jwk' }) as Record<string, string>;
  const members = JSON.stringify({ crv, kty, x, y });
  const kid = createHash('sha256').update(members).digest('base64url');
  return { kty: kty ?? '', crv: crv ?? '', x: x ?? '', y: y ?? '', kid, alg: 'ES256', use: 'sig' };
}

function createSealer(key: Buffer): Pick<KeyRing, 'seal' | 'open'> {
  return {
    seal(plain, boundTo) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(boundTo));
      const body = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open(sealed, boundTo) {
      const options = { authTagLength: 16 };
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), options)
        .setAAD(Buffer.from(boundTo))
        .setAuthTag(sealed.subarray(12, 28));
      return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
    },
  };
}

function createHasher(master: Buffer): KeyRing['hash'] {
  const keys = new Map(
    PURPOSES.map((purpose) => [
      purpose,
      Buffer.from(hkdfSync('sha256', master, '', `gatehouse/${purpose}/v1`, 32)),
    ]),
  );
  return (purpose, ...parts) => {
    const hmac = createHmac('sha256', keys.get(purpose) ?? master);
    // Length before content: ('ab','c') and ('a','bc') must not collide.
    for (const part of parts) hmac.update(`${Buffer.byteLength(part)}:${part}`);
    return hmac.digest();
  };
}

/**
 * Parses every key once: parsing a PEM costs more than the signature it is for.
 * @throws ConfigError naming the setting that holds no usable key
 */
export function createKeyRing(secrets: Secrets): KeyRing {
  const signingKey = readPrivateKey('JWT_SIGNING_KEY', secrets.jwtSigningKey, 'ec');
  const publicKeys = [createPublicKey(signingKey), ...secrets.jwtRetiredKeys.map(readRetiredKey)];
  const jwks = publicKeys.map(toPublicJwk);
  const verifying = new Map(jwks.map((jwk, index) => [jwk.kid, publicKeys[index] as KeyObject]));
  const evidenceKey = readPrivateKey('EVIDENCE_SIGNING_KEY', secrets.evidenceSigningKey, 'ed25519');
  const ofToday = toEvidenceKey(createPublicKey(evidenceKey));
  const retired = secrets.evidenceRetiredKeys.map(readRetiredEvidenceKey);
  return {
    signing: { kid: jwks[0]?.kid ?? '', key: signingKey },
    verifying,
    jwks: { keys: jwks },
    hash: createHasher(readSymmetricKey('TOKEN_HASH_KEY', secrets.tokenHashKey)),
    ...createSealer(readSymmetricKey('ENCRYPTION_KEY', secrets.encryptionKey)),
    evidence: { ...ofToday, key: evidenceKey, believed: [ofToday, ...retired] },
  };
}

function readRetiredKey(pem: string): KeyObject {
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch (cause) {
    throw new ConfigError([`JWT_RETIRED_KEYS holds no public key in PEM form (${String(cause)}).`]);
  }
  throw new ConfigError(['JWT_RETIRED_KEYS must hold EC P-256 public keys.']);
}

function toEvidenceKey(publicKey: KeyObject): EvidenceKey {
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return {
    keyId: createHash('sha256').update(spki).digest('hex').slice(0, 16),
    publicKey,
    publicPem: publicKey.export({ format: 'pem', type: 'spki' }).toString(),
  };
}

/** @returns undefined for what is no public Ed25519 key in PEM form */
export function readEvidenceKey(pem: string): EvidenceKey | undefined {
  try {
    const key = createPublicKey(pem);
    return key.asymmetricKeyType === 'ed25519' ? toEvidenceKey(key) : undefined;
  } catch {
    return undefined;
  }
}

function readRetiredEvidenceKey(pem: string): EvidenceKey {
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return toEvidenceKey(key);
  } catch (cause) {
    throw new ConfigError([
      `EVIDENCE_RETIRED_KEYS holds no public key in PEM form (${String(cause)}).`,
    ]);
  }
  throw new ConfigError(['EVIDENCE_RETIRED_KEYS must hold Ed25519 public keys.']);
}

/** Fresh keys, for a first start in embedded mode and for `admin keys generate`. */
export function generateSecrets(): Secrets {
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const ed = generateKeyPairSync('ed25519');
  return {
    jwtSigningKey: ec.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    jwtRetiredKeys: [],
    tokenHashKey: randomBytes(32).toString('base64'),
    encryptionKey: randomBytes(32).toString('base64'),
    evidenceSigningKey: ed.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    evidenceRetiredKeys: [],
  };
}
