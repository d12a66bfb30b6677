import type { ReadyConfig } from '@/server/config';
import { createLogger } from '@/server/logger';
import type { MailServer } from './mailServer';
import { buildApp, createMovableClock } from '../server/testApp';

/** Opens a node that sends its mails to this server, and keeps everything that it logs. */
export function openMailNode(server: MailServer, settings: Partial<ReadyConfig> = {}) {
  const written: string[] = [];
  const stream = { write: (line: string) => void written.push(line) };
  const logger = createLogger({ logLevel: 'trace' }, stream);
  const clock = createMovableClock();
  const built = buildApp({ mail: server.settings(), ...settings }, { logger, clock });
  return { ...built, clock, log: () => written.join('') };
}
