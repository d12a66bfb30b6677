import type { Caller, RateVerdict } from '../http/rateVerdict';
import type { Kernel } from '../kernel';
import { addressBlock, deviceOfCookie } from '../security';
import type { LimitParts } from './deps';
import type { Subject } from './limiter';

/**
 * Returns the subjects of a caller. A request with an API key counts for the key and not for the
 * account of its holder, so that a program cannot use up the holder's quota. A device that somebody
 * has signed in on is counted by itself and not with its address, so that a flood from the same
 * address cannot keep its owner out. If a proxy hides the clients, they cannot be told apart, and
 * are not counted.
 */
function subjectsOf({ keys }: Pick<Kernel, 'keys'>, caller: Caller): Subject[] {
  if ('principal' in caller) {
    const { userId, tenantId, apiKeyId } = caller.principal;
    return [
      ...(apiKeyId === undefined
        ? [{ scope: 'account' as const, subject: userId }]
        : [{ scope: 'key' as const, subject: apiKeyId }]),
      { scope: 'tenant', subject: tenantId },
    ];
  }
  if ('service' in caller) return [{ scope: 'key', subject: caller.service.keyId }];
  const device = deviceOfCookie(keys, caller.deviceCookie);
  if (device !== undefined) return [{ scope: 'address', subject: `device:${device}` }];
  return caller.ip === null ? [] : [{ scope: 'address', subject: addressBlock(caller.ip) }];
}

/**
 * Counts a request of this caller in every policy that applies to it.
 * @returns undefined if none applies, or if the limits cannot be read
 */
export function countRequest(
  deps: Pick<Kernel, 'keys'> & LimitParts,
  caller: Caller,
): Promise<RateVerdict | undefined> {
  return deps.rateLimits.take(subjectsOf(deps, caller));
}
