import { isProduction } from './processSettings';
import type { Mode } from './processSettings';
import { text } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The settings of the four keys, and of the other keys that are accepted. */
export const keySettings = {
  JWT_SIGNING_KEY: text(),
  JWT_RETIRED_KEYS: text(),
  TOKEN_HASH_KEY: text(),
  TOKEN_HASH_RETIRED_KEYS: text(),
  ENCRYPTION_KEY: text(),
  ENCRYPTION_RETIRED_KEYS: text(),
  EVIDENCE_SIGNING_KEY: text(),
  EVIDENCE_RETIRED_KEYS: text(),
};

type KeyEnvironment = SettingsOf<typeof keySettings>;

/** Key material as text; `createKeyRing` turns it into keys. */
export interface Secrets {
  /** PKCS#8 PEM, EC P-256: signs access tokens (ES256). */
  jwtSigningKey: string;
  /** SPKI PEMs of other keys whose access tokens are accepted: the next one, then former ones. */
  jwtRetiredKeys: readonly string[];
  /** 32 bytes, base64: HMAC key for refresh tokens, challenge ids and device cookies. */
  tokenHashKey: string;
  /** 32 bytes each, base64: other keys whose hashes are accepted. */
  tokenHashRetiredKeys: readonly string[];
  /** 32 bytes, base64: AES-256-GCM key for TOTP secrets and mails. */
  encryptionKey: string;
  /** 32 bytes each, base64: other keys, to decrypt what they sealed. */
  encryptionRetiredKeys: readonly string[];
  /** PKCS#8 PEM, Ed25519: signs evidence manifests. */
  evidenceSigningKey: string;
  /** SPKI PEMs of other keys whose evidence is accepted. */
  evidenceRetiredKeys: readonly string[];
}

/** The names of the secrets in the environment, with their purposes. */
export const SECRET_SETTINGS = {
  JWT_SIGNING_KEY: 'the EC P-256 private key (PEM) that signs access tokens',
  TOKEN_HASH_KEY: '32 random bytes in base64 that key the hashes of refresh tokens',
  ENCRYPTION_KEY: '32 random bytes in base64 that encrypt TOTP secrets at rest',
  EVIDENCE_SIGNING_KEY: 'the Ed25519 private key (PEM) that signs evidence manifests',
} as const;

export type KeySetting = keyof typeof SECRET_SETTINGS;

/** The setting that lists other accepted keys, by the setting of the key itself. */
export const RETIRED_SETTINGS = {
  JWT_SIGNING_KEY: 'JWT_RETIRED_KEYS',
  TOKEN_HASH_KEY: 'TOKEN_HASH_RETIRED_KEYS',
  ENCRYPTION_KEY: 'ENCRYPTION_RETIRED_KEYS',
  EVIDENCE_SIGNING_KEY: 'EVIDENCE_RETIRED_KEYS',
} as const satisfies Record<KeySetting, string>;

/** Hosting panels store one line, so `\n` in a PEM setting stands for a line break. */
export const unescapePem = (pem: string) => pem.replaceAll('\\n', '\n');

export function splitPems(value: string | undefined): string[] {
  if (!value) return [];
  return unescapePem(value).match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g) ?? [];
}

const splitKeys = (value: string | undefined): string[] =>
  (value ?? '').split(/[\s,]+/).filter((key) => key !== '');

/** @returns undefined unless all four keys are set */
export function readSecrets(env: KeyEnvironment): Secrets | undefined {
  const { JWT_SIGNING_KEY, TOKEN_HASH_KEY, ENCRYPTION_KEY, EVIDENCE_SIGNING_KEY } = env;
  if (!JWT_SIGNING_KEY || !TOKEN_HASH_KEY || !ENCRYPTION_KEY || !EVIDENCE_SIGNING_KEY) return;
  return {
    jwtSigningKey: unescapePem(JWT_SIGNING_KEY),
    jwtRetiredKeys: splitPems(env.JWT_RETIRED_KEYS),
    tokenHashKey: TOKEN_HASH_KEY,
    tokenHashRetiredKeys: splitKeys(env.TOKEN_HASH_RETIRED_KEYS),
    encryptionKey: ENCRYPTION_KEY,
    encryptionRetiredKeys: splitKeys(env.ENCRYPTION_RETIRED_KEYS),
    evidenceSigningKey: unescapePem(EVIDENCE_SIGNING_KEY),
    evidenceRetiredKeys: splitPems(env.EVIDENCE_RETIRED_KEYS),
  };
}

const KEY_NAMES = Object.keys(SECRET_SETTINGS) as KeySetting[];

/**
 * Production needs all four keys, and so does a server that is given one of them.
 * @returns one sentence for each missing key
 */
export function findMissingKeys(env: KeyEnvironment & Mode): string[] {
  if (!isProduction(env) && KEY_NAMES.every((name) => env[name] === undefined)) return [];
  return KEY_NAMES.filter((name) => env[name] === undefined).map(
    (name) => `${name} is missing: set it to ${SECRET_SETTINGS[name]}.`,
  );
}

/**
 * @param env all settings: no key may equal a token, which is any setting whose name ends in
 * `_TOKEN`
 * @returns one sentence for each retired list without a key, and for each key that is used for a
 * second purpose
 */
export function findKeyProblems(env: KeyEnvironment): string[] {
  const problems: string[] = [];
  for (const name of ['JWT_RETIRED_KEYS', 'EVIDENCE_RETIRED_KEYS'] as const) {
    if (env[name] && splitPems(env[name]).length === 0) {
      problems.push(`${name} must contain a public key in PEM form.`);
    }
  }
  const tokens = Object.entries(env).filter(([name]) => name.endsWith('_TOKEN'));
  for (const setting of KEY_NAMES) {
    for (const [name, value] of tokens) {
      if (env[setting] && env[setting] === value) {
        problems.push(`${setting} and ${name} are the same: give each a value of its own.`);
      }
    }
  }
  return problems;
}
