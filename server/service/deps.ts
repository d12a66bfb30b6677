import type { AuthDeps } from '../auth';

/** The dependencies that functions of `service/` may ask for. */
export type ServiceDeps = AuthDeps;
