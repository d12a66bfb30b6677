import type { SecurityDeps } from '../deps';
import { readBegunLogin } from './begunLogin';
import { findShownFactorOwner } from './begunLoginStore';

/**
 * @returns the id of the user whose second factor was shown, if this is a begun login that is
 * verified, fresh and unused
 */
export async function findShownFactor(
  deps: Pick<SecurityDeps, 'db' | 'keys' | 'clock'>,
  challengeId: string,
): Promise<string | undefined> {
  const begun = readBegunLogin(deps.keys, challengeId);
  return begun && findShownFactorOwner(deps.db, begun.id, deps.clock.now());
}
