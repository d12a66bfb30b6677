import { createHash } from 'node:crypto';
import type { Config } from '../../config';
import type { Logger } from '../../logger';
import type { Metrics } from '../../metrics';
import { openBreachedFile } from './breachedFile';
import { isListedByService } from './breachedService';

/** The list of passwords that were stolen elsewhere, if one is configured. */
export interface BreachedPasswords {
  /**
   * Returns whether a password is in the list. If there is no list or it cannot be reached, it
   * returns false: a person must be able to change a password during an outage of the list.
   * @param password in NFKC
   */
  has(password: string): Promise<boolean>;
}

interface BreachedDeps {
  config: Pick<Config, 'breachedPasswordsFile' | 'breachedPasswordsUrl'>;
  logger: Logger;
  metrics: Metrics;
}

/** SHA-1 is the format of the published lists. Nothing is stored under it. */
const hashOf = (password: string) =>
  createHash('sha1').update(password).digest('hex').toUpperCase();

/**
 * Creates the list from a file, a service or both.
 * @throws ConfigError if the file cannot be used
 */
export function createBreachedPasswords(deps: BreachedDeps): BreachedPasswords {
  const { breachedPasswordsFile: file, breachedPasswordsUrl: url } = deps.config;
  const sources = [
    ...(file === undefined ? [] : [openBreachedFile(file)]),
    ...(url === undefined ? [] : [(hash: string) => isListedByService(url, hash)]),
  ];
  return {
    async has(password) {
      const hash = hashOf(password);
      for (const isListed of sources) {
        try {
          if (await isListed(hash)) return true;
        } catch (err) {
          deps.metrics.backgroundFailures.inc({ task: 'breached_passwords' });
          deps.logger.warn({ err }, 'the list of breached passwords could not be read');
        }
      }
      return false;
    },
  };
}
