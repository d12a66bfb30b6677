import type { ProgramKeyParts } from '../apiKeys';
import type { AuthDeps } from '../auth';

/** The dependencies that functions of `introspection/` may ask for. */
export type IntrospectionDeps = AuthDeps & ProgramKeyParts;
