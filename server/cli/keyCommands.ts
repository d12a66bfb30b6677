import { adoptKeys } from '../keys/checkKeys';
import { readKeyStatus } from '../keys/keyStatus';
import { generateSecrets } from '../keyRing';
import { SECRET_SETTINGS } from '../config/keySettings';
import type { KeySetting } from '../config/keySettings';
import { CommandError } from './commandError';
import type { Invocation } from './invocation';
import { asOperator, asWriter } from './operatorContext';
import { oneOf } from './options';
import type { Options } from './options';

/**
 * Prints a new set of keys. Stores nothing. With `--env` it prints the lines of a `.env` file,
 * one for each key.
 */
export function generateKeysCommand(options: Options): Promise<object | string> {
  const secrets = generateSecrets();
  const keys = {
    JWT_SIGNING_KEY: secrets.jwtSigningKey,
    TOKEN_HASH_KEY: secrets.tokenHashKey,
    ENCRYPTION_KEY: secrets.encryptionKey,
    EVIDENCE_SIGNING_KEY: secrets.evidenceSigningKey,
  };
  if (options['env'] !== true) return Promise.resolve(keys);
  // Line breaks are written as `\\n`, so that a key is also one line for a shell, Docker and
  // systemd.
  const lines = Object.entries(keys).map(
    ([name, key]) => `${name}="${key.trimEnd().replaceAll('\n', '\\n')}"`,
  );
  return Promise.resolve(lines.join('\n'));
}

const settingOf = (options: Options): KeySetting | undefined =>
  oneOf(options, 'setting', Object.keys(SECRET_SETTINGS) as KeySetting[]);

/** Writes the checks of keys because an operator vouches for them. */
export function adoptKeysCommand(options: Options, invocation: Invocation) {
  const wanted = settingOf(options);
  return asWriter(
    options,
    invocation,
    async ({ deps, ctx }) => {
      const adopted = await adoptKeys(deps, ctx, wanted);
      if (adopted.length === 0) {
        throw new CommandError(
          'There is nothing to adopt: the database already knows the keys, or can prove them.',
        );
      }
      return { adopted };
    },
    'unchecked',
  );
}

/** Shows how many values remain under each key of this database, and which keys can be removed. */
export function keyStatusCommand(_options: Options, invocation: Invocation) {
  return asOperator(
    invocation,
    async ({ deps }) => ({ keys: await readKeyStatus(deps) }),
    'unchecked',
  );
}
