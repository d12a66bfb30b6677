import { clientIp } from '../../context';
import type { RequestContext } from '../../context';
import type { SecurityDeps } from '../deps';
import type { DeviceIdentity } from './devices';
import { knownAddressHash } from './familiarStore';
import { networkOf } from './networks';
import { nameKeyOfDevices, renewKnownDevices } from './renewDevicesStore';
import { rememberSighting } from './riskFactsStore';
import type { Sighting } from './riskFactsStore';
import { inTenant } from '../../db/tenantScope';

/**
 * Stores the device and place of a successful login, together with its session. It must not break a
 * login: a fault or a timeout is only logged and counted in a metric.
 */
export async function learnFromSuccess(
  deps: Pick<
    SecurityDeps,
    'db' | 'keys' | 'clock' | 'config' | 'geo' | 'riskFacts' | 'logger' | 'metrics'
  >,
  ctx: RequestContext,
  seen: Pick<Sighting, 'tenantId' | 'userId' | 'staffId' | 'sessionId' | 'deviceHashes'> &
    Pick<DeviceIdentity, 'renewed'>,
): Promise<void> {
  const { renewed, ...who } = seen;
  try {
    const ip = clientIp(ctx);
    const network = networkOf(ip, deps.geo.asn(ip));
    const addressHash = knownAddressHash(deps.keys, ip);
    const place = { country: ctx.country, network, addressHash };
    const sighting = { ...who, ...place, at: deps.clock.now() };
    const { anomalyTimeoutMs } = deps.config;
    const { tenantId, staffId, deviceHashes } = who;
    const keyId = deps.keys.ids.tokenHash;
    await inTenant(deps.db, tenantId, async (tx) => {
      await rememberSighting(tx, sighting, anomalyTimeoutMs);
      await renewKnownDevices(tx, tenantId, { staffId, renewed, keyId });
      await nameKeyOfDevices(tx, tenantId, { staffId, deviceHashes, keyId });
    });
    deps.riskFacts.forget(who.tenantId, who.staffId);
  } catch (error) {
    deps.metrics.backgroundFailures.inc({ task: 'learn_from_success' });
    deps.logger.warn(
      { err: error },
      'what the risk scorer learned from a login could not be stored',
    );
  }
}
