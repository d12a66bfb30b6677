import { loadConfig, requireReady } from '@/server/config';
import type { ReadyConfig } from '@/server/config';
import { createKeyRing } from '@/server/keyRing';
import type { KeyRing } from '@/server/keyRing';

interface SeedSettings {
  config: ReadyConfig;
  keys: KeyRing;
}

let read: { environment: string; settings: SeedSettings } | undefined;

/**
 * Returns the settings of the environment with their keys. They are only read again if the
 * environment has changed, because seeding needs them often.
 */
export function seedSettings(): SeedSettings {
  const environment = JSON.stringify(process.env);
  if (read?.environment !== environment) {
    const config = requireReady(loadConfig());
    read = { environment, settings: { config, keys: createKeyRing(config.secrets) } };
  }
  return read.settings;
}
