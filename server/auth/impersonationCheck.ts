import type { Principal } from '../context';
import { batchLoads } from '../db/batchLoads';
import type { Kernel } from '../kernel';
import type { AccessClaims } from './accessTokens';
import { readLiveImpersonations } from './impersonationCheckStore';
import type { LiveImpersonation } from './impersonationCheckStore';
import { sessionKey } from './sessionStore';

/** The claims of the access token of an impersonation. */
export type ImpersonationClaims = AccessClaims & { act: NonNullable<AccessClaims['act']> };

export const isImpersonation = (claims: AccessClaims): claims is ImpersonationClaims =>
  claims.act !== undefined;

/** Returns whether every id and the version in the token are those of the row. */
const isSame = (claims: ImpersonationClaims, live: LiveImpersonation): boolean =>
  live.tenantId === claims.tid &&
  live.userId === claims.sub &&
  live.sessionVersion === claims.sv &&
  live.actorUserId === claims.act.sub &&
  live.actorStaffId === claims.act.staff_id &&
  live.actorSessionId === claims.act.sid;

/** The subject, with the permissions that both people hold, and without roles. */
const toImpersonated = (live: LiveImpersonation): Principal => ({
  tenantId: live.tenantId,
  userId: live.userId,
  staffId: live.staffId,
  sessionId: null,
  sid: live.id,
  sessionVersion: live.sessionVersion,
  roles: [],
  permissions: live.permissions,
  email: live.email,
  name: live.name,
  tenant: { slug: live.tenantSlug, name: live.tenantName },
  ownProof: false,
  impersonation: {
    id: live.id,
    scope: live.scope,
    startedAt: new Date(live.startedAt),
    endsAt: new Date(live.endsAt),
    actor: {
      userId: live.actorUserId,
      staffId: live.actorStaffId,
      sessionId: live.actorSessionId,
      email: live.actorEmail,
      name: live.actorName,
    },
  },
});

/**
 * Creates the check of an impersonation, at every request and on every node: it runs, the actor's
 * session is live, both people may sign in, and neither version has changed since the start.
 * @returns a function that returns whom somebody acts as; undefined if the impersonation is over. It
 * throws the driver's error if the database could not be asked
 */
export function createImpersonationCheck({ pool, clock }: Pick<Kernel, 'pool' | 'clock'>) {
  const load = batchLoads((keys) => readLiveImpersonations(pool, keys, clock.now()));
  return async (claims: ImpersonationClaims): Promise<Principal | undefined> => {
    const live = await load(sessionKey(claims.tid, claims.sid));
    if (!live || live.over !== null || !isSame(claims, live)) return undefined;
    return toImpersonated(live);
  };
}
