import { withSecrets } from './keys/localSecrets';
import { loadConfig, requireReady } from './config';
import { createApp } from './createApp';
import { createDeps } from './deps';

/** The application on the environment's database. Importing it neither listens nor migrates. */
export const app = createApp(createDeps(requireReady(withSecrets(loadConfig()))));
