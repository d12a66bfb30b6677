import { clientIp } from '../../context';
import type { RequestContext } from '../../context';
import type { SecurityDeps } from '../deps';
import type { AnomalyInput } from '../computeAnomalyScore';
import { networkOf } from './networks';

type Known = Pick<AnomalyInput, 'tenantId' | 'staffId' | 'at' | 'deviceHashes'> &
  Partial<Pick<AnomalyInput, 'recentFailures' | 'accountsTried' | 'session'>>;

/**
 * Builds the scorer's input: the facts of a login or refresh, completed with the time and the facts
 * about its address.
 */
export const describeAttempt = (
  deps: Pick<SecurityDeps, 'clock' | 'geo' | 'ipLists'>,
  ctx: RequestContext,
  known: Known,
): AnomalyInput => ({
  recentFailures: 0,
  accountsTried: 0,
  session: null,
  ...known,
  now: deps.clock.now(),
  country: ctx.country,
  network: networkOf(clientIp(ctx), deps.geo.asn(clientIp(ctx))),
  lists: deps.ipLists.holding(clientIp(ctx)),
});
