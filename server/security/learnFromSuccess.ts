import { clientIp } from '../context';
import type { RequestContext } from '../context';
import type { Deps } from '../deps';
import { networkOf } from './networks';
import { rememberSighting } from './riskFactsStore';
import type { Sighting } from './riskFactsStore';

/**
 * Remembers the device and country of a login that succeeded, as taught by its session. Like scoring it is advice: where it fails
 * or takes too long, the login stands, and the log and a metric say so.
 */
export async function learnFromSuccess(
  deps: Pick<Deps, 'db' | 'clock' | 'config' | 'geo' | 'riskFacts' | 'logger' | 'metrics'>,
  ctx: RequestContext,
  who: Pick<Sighting, 'tenantId' | 'userId' | 'staffId' | 'sessionId' | 'deviceHashes'>,
): Promise<void> {
  try {
    const network = networkOf(clientIp(ctx), deps.geo.asn(clientIp(ctx)));
    const sighting = { ...who, country: ctx.country, network, at: deps.clock.now() };
    const { anomalyTimeoutMs } = deps.config;
    await deps.db.transaction((tx) => rememberSighting(tx, sighting, anomalyTimeoutMs));
    deps.riskFacts.forget(who.tenantId, who.staffId);
  } catch (error) {
    deps.metrics.backgroundFailures.inc({ task: 'learn_from_success' });
    deps.logger.warn({ err: error }, 'what a login taught could not be kept');
  }
}
