import { loadConfig, requireReady } from '@/server/config';
import type { ReadyConfig } from '@/server/config';
import { createKeyRing } from '@/server/keyRing';
import type { KeyRing } from '@/server/keyRing';

interface SeedSettings {
  config: ReadyConfig;
  keys: KeyRing;
}

let read: { environment: string; settings: SeedSettings } | undefined;

/** The settings of the environment and their keys, read again only if the environment has changed: seeding asks for them often. */
export function seedSettings(): SeedSettings {
  const environment = JSON.stringify(process.env);
  if (read?.environment !== environment) {
    const config = requireReady(loadConfig());
    read = { environment, settings: { config, keys: createKeyRing(config.secrets) } };
  }
  return read.settings;
}
