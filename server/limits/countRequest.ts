import type { Caller, RateVerdict } from '../http/rateVerdict';
import type { Kernel } from '../kernel';
import { addressBlock, deviceOfCookie } from '../security';
import type { LimitParts } from './deps';
import type { Subject } from './limiter';

/**
 * Returns the subjects of a caller. A request with an API key counts for the key and not for the
 * account of its holder, so that a program cannot use up the holder's quota. A request of an
 * impersonation counts for the account of the actor. A device that somebody
 * has signed in on is counted by itself and not with its address, so that a flood from the same
 * address cannot keep its owner out. If a proxy hides the clients, they cannot be told apart, and
 * are not counted.
 *
 * Refused credentials have buckets of their own, so that a program with a revoked key does not keep
 * people at its address from signing in. An access token that has ended counts for its session: a
 * client must get 401 for it, also during a flood from its address, or it would not refresh.
 */
function subjectsOf({ keys }: Pick<Kernel, 'keys'>, caller: Caller): Subject[] {
  if ('principal' in caller) {
    const { userId, tenantId, apiKeyId, impersonation } = caller.principal;
    return [
      ...(apiKeyId === undefined
        ? [{ scope: 'account' as const, subject: impersonation?.actor.userId ?? userId }]
        : [{ scope: 'key' as const, subject: apiKeyId }]),
      { scope: 'tenant', subject: tenantId },
    ];
  }
  if ('service' in caller) {
    return [{ scope: caller.policy ?? 'key', subject: caller.service.keyId }];
  }
  const refused = 'refused' in caller;
  const sender =
    refused && caller.session !== undefined
      ? `session:${caller.session}`
      : nameSender(keys, caller);
  if (sender === undefined) return [];
  return [{ scope: 'address', subject: refused ? `refused:${sender}` : sender }];
}

function nameSender(
  keys: Kernel['keys'],
  { ip, deviceCookie }: { ip: string | null; deviceCookie: string | undefined },
): string | undefined {
  const device = deviceOfCookie(keys, deviceCookie);
  if (device !== undefined) return `device:${device}`;
  return ip === null ? undefined : addressBlock(ip);
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

/** Returns whether this node knows that a limit of this caller is used up. It does not count. */
export const isAtLimit = (deps: Pick<Kernel, 'keys'> & LimitParts, caller: Caller): boolean =>
  deps.rateLimits.isUsedUp(subjectsOf(deps, caller));
