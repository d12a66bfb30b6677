import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { ConfigError } from './config';

/**
 * The purpose of a keyed hash. Each purpose has its own key, so that a hash for one purpose never
 * matches another.
 */
export type HashPurpose =
  | 'refresh-token'
  | 'refresh-successor'
  | 'login-token'
  | 'challenge'
  | 'device'
  | 'attempt-subject'
  | 'recovery-code'
  | 'notice'
  | 'password-reset'
  | 'act'
  | 'invitation'
  | 'invitation-code'
  | 'email-code'
  | 'email-change'
  | 'own-proof'
  | 'step-up-answer'
  | 'api-key'
  | 'sso-state'
  | 'sso-cookie'
  | 'sso-sender'
  | 'key-check';

const PURPOSES: Readonly<Record<HashPurpose, string>> = {
  'refresh-token': 'refresh-token',
  'refresh-successor': 'refresh-successor',
  'login-token': 'login-token',
  challenge: 'challenge',
  device: 'device',
  'attempt-subject': 'attempt-subject',
  'recovery-code': 'recovery-code',
  notice: 'notice',
  'password-reset': 'password-reset',
  act: 'act',
  invitation: 'invitation',
  'invitation-code': 'invitation-code',
  'email-code': 'email-code',
  'email-change': 'email-change',
  'own-proof': 'own-proof',
  'step-up-answer': 'step-up-answer',
  'api-key': 'api-key',
  'sso-state': 'sso-state',
  'sso-cookie': 'sso-cookie',
  'sso-sender': 'sso-sender',
  'key-check': 'key-check',
};

const KEY_BYTES = 32;

/** The current key of one setting, and the other accepted ones. */
export interface SymmetricKeys {
  readonly current: SymmetricKey;
  /** The current key first. */
  readonly all: readonly SymmetricKey[];
}

export interface SymmetricKey {
  /** Names the key without revealing it: 64 bits derived from it. */
  readonly id: string;
  readonly bytes: Buffer;
}

const derive = (key: Buffer, label: string, length: number) =>
  Buffer.from(hkdfSync('sha256', key, '', `gatehouse/${label}/v1`, length));

function readKey(name: string, value: string): SymmetricKey {
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length !== KEY_BYTES) throw new ConfigError([`${name} must be 32 bytes in base64.`]);
  return { id: derive(bytes, 'key-id', 8).toString('hex'), bytes };
}

/**
 * Reads one setting and its list of retired keys.
 * @throws ConfigError if a key is not 32 bytes, if the current one is a placeholder, or if it is
 * also in the list
 */
export function readSymmetricKeys(
  name: string,
  value: string,
  retired: { name: string; values: readonly string[] },
): SymmetricKeys {
  const current = readKey(name, value);
  // Only the current key is checked: the list is the way to get rid of a weak key.
  if (current.bytes.every((byte) => byte === current.bytes[0])) {
    throw new ConfigError([`${name} must be 32 random bytes: all of its bytes are the same.`]);
  }
  const others = retired.values.map((each) => readKey(retired.name, each));
  if (others.some(({ id }) => id === current.id)) {
    throw new ConfigError([
      `${retired.name} contains the current ${name}: remove it from the list.`,
    ]);
  }
  return { current, all: [current, ...others] };
}

export interface Sealer {
  /**
   * Encrypts with AES-256-GCM; `boundTo` is authenticated too, so that a sealed value is valid for
   * one row only.
   */
  seal(plain: Buffer, boundTo: string): Buffer;
  /**
   * @throws if no key can decrypt it: it was changed, belongs to another row, or needs a key that
   * is not configured
   */
  open(sealed: Buffer, boundTo: string): Buffer;
}

export function sealWith(key: Buffer, plain: Buffer, boundTo: string): Buffer {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(boundTo));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]);
}

export function openWith(key: Buffer, sealed: Buffer, boundTo: string): Buffer {
  const options = { authTagLength: 16 };
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), options)
    .setAAD(Buffer.from(boundTo))
    .setAuthTag(sealed.subarray(12, 28));
  return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
}

/** Creates a sealer that encrypts with the current key and decrypts with any accepted one. */
export function createSealer({ current, all }: SymmetricKeys): Sealer {
  return {
    seal: (plain, boundTo) => sealWith(current.bytes, plain, boundTo),
    open(sealed, boundTo) {
      let failure: unknown;
      for (const { bytes } of all) {
        try {
          return openWith(bytes, sealed, boundTo);
        } catch (error) {
          failure ??= error;
        }
      }
      throw failure;
    },
  };
}

export interface Hasher {
  /** Returns the HMAC-SHA-256 under the key of one purpose. */
  hash(purpose: HashPurpose, ...parts: string[]): Buffer;
  /**
   * Returns the hash under each accepted key, the current one first, to find values that a former
   * key has hashed.
   */
  hashAll(purpose: HashPurpose, ...parts: string[]): readonly Buffer[];
}

function createKeyHasher(master: Buffer): Hasher['hash'] {
  const keys = new Map(
    (Object.keys(PURPOSES) as HashPurpose[]).map((purpose) => [
      purpose,
      derive(master, PURPOSES[purpose], 32),
    ]),
  );
  return (purpose, ...parts) => {
    const hmac = createHmac('sha256', keys.get(purpose) ?? master);
    // Length before content: ('ab','c') and ('a','bc') must not collide.
    for (const part of parts) hmac.update(`${Buffer.byteLength(part)}:${part}`);
    return hmac.digest();
  };
}

export function createHasher({ current, all }: SymmetricKeys): Hasher {
  const hash = createKeyHasher(current.bytes);
  const others = all.slice(1).map(({ bytes }) => createKeyHasher(bytes));
  return {
    hash,
    hashAll: (purpose, ...parts) => [
      hash(purpose, ...parts),
      ...others.map((other) => other(purpose, ...parts)),
    ],
  };
}

/** Returns the HMAC under one given key. */
export const hashWith = (key: Buffer, purpose: HashPurpose, ...parts: string[]): Buffer =>
  createKeyHasher(key)(purpose, ...parts);
