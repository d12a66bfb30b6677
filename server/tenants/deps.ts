import type { AuthDeps } from '../auth';

/** What functions of `tenants/` may ask for. */
export type TenantDeps = AuthDeps;
