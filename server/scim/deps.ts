import type { AuthDeps } from '../auth';

/** The dependencies that functions of `scim/` may ask for. */
export type ScimDeps = AuthDeps;
