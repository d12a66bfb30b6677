import { clientIp } from '../../context';
import type { RequestContext } from '../../context';
import type { SecurityDeps } from '../deps';
import { readAttempts } from './attemptStore';
import { addressBlock, attemptSubject } from './attempts';

/** The key under which the failures of all logins are counted. */
export const EVERYBODY = 'all';

export interface AddressJudgement {
  /** The key under which the failures of this address block are counted. */
  address: string;
  /** Until when the address is past its budget; null if it is not. */
  refusedUntil: Date | null;
  /** The number of different accounts on which logins from this address failed in the window. */
  accountsTried: number;
}

/**
 * Checks the failures of an address against its budget. During a surge across the installation,
 * each address gets a tenth of its budget.
 */
export async function judgeAddress(
  deps: Pick<SecurityDeps, 'db' | 'keys' | 'clock' | 'config'>,
  ctx: RequestContext,
): Promise<AddressJudgement> {
  const address = attemptSubject(deps.keys, 'address', addressBlock(ctx.ip));
  // If a proxy hides the client's address, do not refuse all its clients as one.
  if (clientIp(ctx) === null) return { address, refusedUntil: null, accountsTried: 0 };
  const counts = await readAttempts(
    deps.db,
    [
      { scope: 'ip', subject: address },
      { scope: 'global', subject: EVERYBODY },
    ],
    deps.clock.now(),
  );
  const { perIp, global } = deps.config.loginFailures;
  const [ip, all] = [counts.get('ip'), counts.get('global')];
  const failures = ip?.failures ?? 0;
  const accountsTried = ip?.accounts ?? 0;
  const surge = (all?.failures ?? 0) >= global;
  if (!ip || failures < (surge ? Math.ceil(perIp / 10) : perIp)) {
    return { address, refusedUntil: null, accountsTried };
  }
  const ends = [ip.windowEndsAt, ...(failures < perIp && all ? [all.windowEndsAt] : [])];
  const refusedUntil = new Date(Math.min(...ends.map((end) => end.getTime())));
  return { address, refusedUntil, accountsTried };
}
