import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { ConfigError } from './config';
import { RETIRED_SETTINGS } from './config/keySettings';
import type { KeySetting, Secrets } from './config/keySettings';
import { isSameSecret } from './isSameSecret';
import { createHasher, createSealer, hashWith, openWith } from './symmetricKeys';
import { readSymmetricKeys, sealWith } from './symmetricKeys';
import type { Hasher, Sealer, SymmetricKeys } from './symmetricKeys';

export type { HashPurpose } from './symmetricKeys';

export interface PublicJwk {
  kty: string;
  crv: string;
  x: string;
  y: string;
  kid: string;
  alg: 'ES256';
  use: 'sig';
}

/** Identifies the key of one setting, to compare it with the database. */
export interface CheckedKey {
  readonly setting: KeySetting;
  /** The id of the current key. */
  readonly keyId: string;
  /** The ids of every key that this process accepts, the current one first. */
  readonly knownIds: readonly string[];
  /** Returns a check value of the current key: a known text, sealed, hashed or signed. */
  prove(): Buffer;
  /** Returns whether an accepted key made this check value. */
  recognises(keyId: string, checkValue: Buffer): boolean;
}

export interface KeyRing extends Hasher, Sealer {
  /** Signs access tokens. */
  readonly signing: { readonly kid: string; readonly key: KeyObject };
  /** By `kid`: the current key and the retired ones. */
  readonly verifying: ReadonlyMap<string, KeyObject>;
  readonly jwks: { readonly keys: readonly PublicJwk[] };
  /**
   * The ids of the current symmetric keys. Each row that was hashed or sealed stores the id of its
   * key.
   */
  readonly ids: { readonly tokenHash: string; readonly encryption: string };
  /**
   * Returns whether a value sealed with this ENCRYPTION_KEY can be decrypted here; older values
   * have no key id.
   */
  opensKey(keyId: string | null): boolean;
  /** One for each setting. */
  readonly checked: readonly CheckedKey[];
  /** Ed25519: signs evidence. */
  readonly evidence: {
    readonly keyId: string;
    readonly key: KeyObject;
    readonly publicKey: KeyObject;
    readonly publicPem: string;
    /** The public keys whose signatures are accepted: this one, then the retired ones. */
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

/** A text that cannot be mistaken for a JWT or a signed note. */
const CHECK_TEXT = 'gatehouse key check v1';

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

/** RFC 7638: the thumbprint names a key, so nobody has to number keys. */
function toPublicJwk(key: KeyObject): PublicJwk {
  const { crv, kty, x, y } = key.export({ format: 'jwk' }) as Record<string, string>;
  const members = JSON.stringify({ crv, kty, x, y });
  const kid = createHash('sha256').update(members).digest('base64url');
  return { kty: kty ?? '', crv: crv ?? '', x: x ?? '', y: y ?? '', kid, alg: 'ES256', use: 'sig' };
}

function checkSymmetric(
  setting: KeySetting,
  { current, all }: SymmetricKeys,
  make: (key: Buffer) => Buffer,
  fits: (key: Buffer, checkValue: Buffer) => boolean,
): CheckedKey {
  return {
    setting,
    keyId: current.id,
    knownIds: all.map(({ id }) => id),
    prove: () => make(current.bytes),
    recognises(keyId, checkValue) {
      const key = all.find(({ id }) => id === keyId);
      return key !== undefined && fits(key.bytes, checkValue);
    },
  };
}

function checkSigning(
  setting: KeySetting,
  key: KeyObject,
  known: readonly (readonly [string, KeyObject])[],
): CheckedKey {
  const keyId = known[0]?.[0] ?? '';
  const algorithm = key.asymmetricKeyType === 'ec' ? 'sha256' : null;
  return {
    setting,
    keyId,
    knownIds: known.map(([id]) => id),
    prove: () => sign(algorithm, Buffer.from(CHECK_TEXT), key),
    recognises(id, checkValue) {
      const publicKey = known.find(([each]) => each === id)?.[1];
      return (
        publicKey !== undefined && verify(algorithm, Buffer.from(CHECK_TEXT), publicKey, checkValue)
      );
    },
  };
}

function opens(key: Buffer, sealed: Buffer): boolean {
  try {
    return openWith(key, sealed, CHECK_TEXT).toString() === CHECK_TEXT;
  } catch {
    return false;
  }
}

/** If the current key is also in the list of retired keys, a rotation was not completed. */
function refuseDoubles(setting: KeySetting, ids: readonly string[]): void {
  if (!ids.slice(1).includes(ids[0] ?? '')) return;
  const list = RETIRED_SETTINGS[setting];
  throw new ConfigError([`${list} contains the current ${setting}: remove it from the list.`]);
}

function readSymmetric(secrets: Secrets): { hashing: SymmetricKeys; sealing: SymmetricKeys } {
  const hashing = readSymmetricKeys('TOKEN_HASH_KEY', secrets.tokenHashKey, {
    name: RETIRED_SETTINGS.TOKEN_HASH_KEY,
    values: secrets.tokenHashRetiredKeys,
  });
  const sealing = readSymmetricKeys('ENCRYPTION_KEY', secrets.encryptionKey, {
    name: RETIRED_SETTINGS.ENCRYPTION_KEY,
    values: secrets.encryptionRetiredKeys,
  });
  if (hashing.current.id === sealing.current.id) {
    throw new ConfigError([
      'TOKEN_HASH_KEY and ENCRYPTION_KEY are the same: give each a key of its own.',
    ]);
  }
  return { hashing, sealing };
}

/**
 * Parses every key once, because parsing a PEM costs more than a signature.
 * @throws ConfigError naming the setting without a usable key
 */
export function createKeyRing(secrets: Secrets): KeyRing {
  const signingKey = readPrivateKey('JWT_SIGNING_KEY', secrets.jwtSigningKey, 'ec');
  const publicKeys = [createPublicKey(signingKey), ...secrets.jwtRetiredKeys.map(readRetiredKey)];
  const jwks = publicKeys.map(toPublicJwk);
  const named = jwks.map((jwk, index) => [jwk.kid, publicKeys[index] as KeyObject] as const);
  const evidenceKey = readPrivateKey('EVIDENCE_SIGNING_KEY', secrets.evidenceSigningKey, 'ed25519');
  const ofToday = toEvidenceKey(createPublicKey(evidenceKey));
  const believed = [ofToday, ...secrets.evidenceRetiredKeys.map(readRetiredEvidenceKey)];
  const believedNamed = believed.map(({ keyId, publicKey }) => [keyId, publicKey] as const);
  const { hashing, sealing } = readSymmetric(secrets);
  const checked = [
    checkSigning('JWT_SIGNING_KEY', signingKey, named),
    checkSymmetric(
      'TOKEN_HASH_KEY',
      hashing,
      (key) => hashWith(key, 'key-check', CHECK_TEXT),
      (key, value) => isSameSecret(hashWith(key, 'key-check', CHECK_TEXT), value),
    ),
    checkSymmetric(
      'ENCRYPTION_KEY',
      sealing,
      (key) => sealWith(key, Buffer.from(CHECK_TEXT), CHECK_TEXT),
      opens,
    ),
    checkSigning('EVIDENCE_SIGNING_KEY', evidenceKey, believedNamed),
  ];
  for (const { setting, knownIds } of checked) refuseDoubles(setting, knownIds);
  return {
    signing: { kid: jwks[0]?.kid ?? '', key: signingKey },
    verifying: new Map(named),
    jwks: { keys: jwks },
    ...createHasher(hashing),
    ...createSealer(sealing),
    ids: { tokenHash: hashing.current.id, encryption: sealing.current.id },
    opensKey: (keyId) => keyId === null || sealing.all.some(({ id }) => id === keyId),
    checked,
    evidence: { ...ofToday, key: evidenceKey, believed },
  };
}

function readRetiredKey(pem: string): KeyObject {
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch (cause) {
    throw new ConfigError([
      `JWT_RETIRED_KEYS must contain public keys in PEM form (${String(cause)}).`,
    ]);
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

/** @returns undefined if the text is not a public Ed25519 key in PEM form */
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
      `EVIDENCE_RETIRED_KEYS must contain public keys in PEM form (${String(cause)}).`,
    ]);
  }
  throw new ConfigError(['EVIDENCE_RETIRED_KEYS must hold Ed25519 public keys.']);
}

/** Generates new keys, for a first start in embedded mode and for `admin keys generate`. */
export function generateSecrets(): Secrets {
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const ed = generateKeyPairSync('ed25519');
  return {
    jwtSigningKey: ec.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    jwtRetiredKeys: [],
    tokenHashKey: randomBytes(32).toString('base64'),
    tokenHashRetiredKeys: [],
    encryptionKey: randomBytes(32).toString('base64'),
    encryptionRetiredKeys: [],
    evidenceSigningKey: ed.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    evidenceRetiredKeys: [],
  };
}
