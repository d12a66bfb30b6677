import type { AuthDeps } from '../auth';

/** The dependencies that functions of `profile/` may ask for. */
export type ProfileDeps = AuthDeps;
