import type { AuthDeps } from '../auth';

/** The dependencies that functions of `tenants/` may ask for. */
export type TenantDeps = AuthDeps;
