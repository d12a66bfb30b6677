import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../config';
import type { Config, Secrets } from '../config';
import { generateSecrets } from '../keyRing';

/**
 * The keys from the environment, else those in the data folder: made on the first start, readable by their
 * owner alone. Production never comes this far without its own.
 * @throws ConfigError where the file is there but is not what was written
 */
export function withSecrets(config: Config): Config & { secrets: Secrets } {
  return { ...config, secrets: config.secrets ?? loadLocalSecrets(config.dataDir) };
}

/**
 * The keys in the data folder, for those who only read: none are made.
 * @throws ConfigError where the file is there but is not what was written
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
  // Whole or not at all, and never over the keys of another first start: link() refuses to replace.
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
/** A file of a release that knew no retired keys has none. */
type WrittenSecrets = Omit<Secrets, RetiredList> & Partial<Pick<Secrets, RetiredList>>;

function parseSecrets(file: string, text: string): Secrets {
  try {
    const secrets = JSON.parse(text) as WrittenSecrets;
    if (typeof secrets.jwtSigningKey === 'string' && typeof secrets.encryptionKey === 'string') {
      const none = { tokenHashRetiredKeys: [], encryptionRetiredKeys: [] };
      return { jwtRetiredKeys: [], evidenceRetiredKeys: [], ...none, ...secrets };
    }
  } catch {
    // Said below, with the file's name and without its content.
  }
  throw new ConfigError([`${file} is damaged: restore it, or move the folder away to start anew.`]);
}
