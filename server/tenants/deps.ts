import type { AuthDeps } from '../auth';
import type { Turns } from '../backgroundTurns';

/** The parts that tenants add. */
export interface TenantParts {
  /** Removes the members whose membership has reached its end. */
  membershipEnds: Turns;
}

/** The dependencies that functions of `tenants/` may ask for. */
export type TenantDeps = AuthDeps;
