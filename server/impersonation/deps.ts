import type { AuthDeps } from '../auth';
import type { Turns } from '../backgroundTurns';

/** The parts that impersonation adds. */
export interface ImpersonationParts {
  /** Ends the impersonations that are over. */
  impersonationEnds: Turns;
}

/** The dependencies that functions of `impersonation/` may ask for. */
export type ImpersonationDeps = AuthDeps;
