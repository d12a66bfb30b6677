import { clientIp } from '../context';
import type { RequestContext } from '../context';
import type { Deps } from '../deps';
import { readAttempts } from './attemptStore';
import { addressBlock, attemptSubject } from './attempts';

/** Under which the failures of all logins are counted. */
export const EVERYBODY = 'all';

export interface AddressJudgement {
  /** Under which the failures of this address block are counted. */
  address: string;
  /** Until when the address is past its budget; null if it is not. */
  refusedUntil: Date | null;
  /** Different accounts that logins from this address failed on in the window. */
  accountsTried: number;
}

/** Looks at the failures of an address. Under a surge over the whole system each gets a tenth of its budget. */
export async function judgeAddress(
  deps: Pick<Deps, 'db' | 'keys' | 'clock' | 'config'>,
  ctx: RequestContext,
): Promise<AddressJudgement> {
  const address = attemptSubject(deps.keys, 'address', addressBlock(ctx.ip));
  // What a proxy does not tell apart is not refused as one.
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
