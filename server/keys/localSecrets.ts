import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../config';
import type { Config, Secrets } from '../config';
import { generateSecrets } from '../keyRing';

/**
 * Returns the keys from the environment, or else those in the data folder. The first start creates
 * them there, readable only by their owner. In production the settings must hold the keys, so this
 * file is never used.
 * @throws ConfigError if the file exists but is damaged
 */
export function withSecrets(config: Config): Config & { secrets: Secrets } {
  return { ...config, secrets: config.secrets ?? loadLocalSecrets(config.dataDir) };
}

/**
 * Returns the keys in the data folder, for callers that only read. It creates none.
 * @throws ConfigError if the file exists but is damaged
 */
export function findLocalSecrets(dataDir: string): Secrets | undefined {
  const file = join(dataDir, 'keys.json');
  const written = readIfThere(file);
  return written === undefined ? undefined : parseSecrets(file, written);
}

function loadLocalSecrets(dataDir: string): Secrets {
  const file = join(dataDir, 'keys.json');
  mkdirSync(dataDir, { recursive: true });
  const written = readIfThere(file);
  if (written !== undefined) return parseSecrets(file, written);
  // The file must appear complete or not at all, and must not replace the keys of another first
  // start. link() refuses to replace a file.
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  writeFileSync(draft, JSON.stringify(generateSecrets(), null, 2), { mode: 0o600, flag: 'wx' });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(draft);
  }
  return parseSecrets(file, readFileSync(file, 'utf8'));
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'EACCES')
      throw new ConfigError([`${file} cannot be read: it belongs to another user.`]);
    throw error;
  }
}

type RetiredList =
  'jwtRetiredKeys' | 'tokenHashRetiredKeys' | 'encryptionRetiredKeys' | 'evidenceRetiredKeys';
/** A file of an older release has no lists of retired keys. */
type WrittenSecrets = Omit<Secrets, RetiredList> & Partial<Pick<Secrets, RetiredList>>;

function parseSecrets(file: string, text: string): Secrets {
  try {
    const secrets = JSON.parse(text) as WrittenSecrets;
    if (typeof secrets.jwtSigningKey === 'string' && typeof secrets.encryptionKey === 'string') {
      const none = { tokenHashRetiredKeys: [], encryptionRetiredKeys: [] };
      return { jwtRetiredKeys: [], evidenceRetiredKeys: [], ...none, ...secrets };
    }
  } catch {
    // Reported below, with the name of the file and without its content.
  }
  throw new ConfigError([
    `${file} is damaged: restore it, or move the folder away to start with an empty database.`,
  ]);
}
