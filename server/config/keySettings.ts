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

type KeyEnvironment = Readonly<
  Partial<Record<KeySetting | (typeof RETIRED_SETTINGS)[KeySetting], string | undefined>>
>;

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

/** Settings with other secrets, by name: none of them may equal one of the keys. */
type Passwords = Readonly<Record<string, string | undefined>>;

/**
 * @param passwords other secrets of the environment, by the name of their setting
 * @returns one sentence for each retired list without a key, and for each key that is used for a
 * second purpose
 */
export function objectionsToKeys(env: KeyEnvironment, passwords: Passwords): string[] {
  const problems: string[] = [];
  for (const name of ['JWT_RETIRED_KEYS', 'EVIDENCE_RETIRED_KEYS'] as const) {
    if (env[name] && splitPems(env[name]).length === 0) {
      problems.push(`${name} must contain a public key in PEM form.`);
    }
  }
  for (const setting of Object.keys(SECRET_SETTINGS) as KeySetting[]) {
    for (const [name, value] of Object.entries(passwords)) {
      if (env[setting] && env[setting] === value) {
        problems.push(`${setting} and ${name} are the same: give each a value of its own.`);
      }
    }
  }
  return problems;
}
