import { withSecrets } from './keys/localSecrets';
import { loadConfig, requireReady } from './config';
import { createApp } from './createApp';
import { createDeps } from './deps';

export const deps = createDeps(requireReady(withSecrets(loadConfig())));

/** The application on the environment's database. Importing it neither listens nor migrates. */
export const app = createApp(deps);
