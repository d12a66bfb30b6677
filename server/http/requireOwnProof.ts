import { AppError } from '../errors';
import { principalOf } from './request';
import { guard } from './routeTable';

const FACTS = { ownProof: true, errors: ['OWN_PROOF_REQUIRED'] } as const;

/**
 * Guards a route about the person in all their tenants: refuses a session in which only a tenant's
 * provider has proven them. That tenant decides what its provider says, so it would otherwise reach
 * into the others. Put it after `authenticate`, before any step-up.
 * @throws AppError OWN_PROOF_REQUIRED
 */
export const requireOwnProof = guard(FACTS, (req, _res, next) => {
  if (!principalOf(req).ownProof) throw new AppError('OWN_PROOF_REQUIRED');
  next();
});

/**
 * Does what {@link requireOwnProof} does for a route that also works without a session; it asks
 * nothing of a request without one.
 * @throws AppError OWN_PROOF_REQUIRED
 */
export const requireOwnProofOfSession = guard(FACTS, (req, _res, next) => {
  if (req.principal && !req.principal.ownProof) throw new AppError('OWN_PROOF_REQUIRED');
  next();
});
