import type { SsoRefusal } from '../../audit';
import type { Principal, RequestContext } from '../../context';
import { assertRowId } from '../../db/ids';
import { inTenant } from '../../db/tenantScope';
import { AppError } from '../../errors';
import type { LinkRow } from '../../identities';
import type { SsoDeps } from '../deps';
import type { ReturnedAttempt } from './ssoAttemptStore';
import { beginAttempt } from './beginAttempt';
import type { BegunAttempt } from './beginAttempt';
import { findClient } from './clientStore';
import { linkIdentity } from './linkIdentity';
import { lockLiveSession } from './memberStore';
import { refuseAttempt } from './refuseAttempt';
import { openReturned, takeReturned } from './returnedClaims';
import { attemptingPerson } from './tryConnection';

/**
 * Sends a signed-in person to a provider of their tenant, to link their identity there.
 * @throws AppError NOT_FOUND; TOO_MANY_SSO_ATTEMPTS; SSO_UNAVAILABLE
 */
export async function beginLink(
  deps: SsoDeps,
  ctx: RequestContext,
  principal: Principal,
  connectionId: string,
): Promise<BegunAttempt> {
  assertRowId(connectionId);
  const client = await findClient(deps.db, principal.tenantId, connectionId);
  if (!client) throw new AppError('NOT_FOUND');
  const person = attemptingPerson(principal);
  return beginAttempt(deps, ctx, client, { kind: 'link', person, rememberMe: false });
}

/** Links the identity if the session in which the person consented still lives. */
async function link(
  deps: SsoDeps,
  ctx: RequestContext,
  attempt: ReturnedAttempt,
  { tenantId, staffId, userId, sessionId }: Principal,
): Promise<{ link: LinkRow } | { refusal: SsoRefusal }> {
  const isSame = attempt.staffId === staffId && attempt.sessionId === sessionId;
  if (!isSame || attempt.tenantId !== tenantId || sessionId === null) {
    return { refusal: 'session_ended' };
  }
  const opened = await openReturned(deps, attempt);
  if ('refusal' in opened) return opened;
  const { connectionId } = attempt;
  const what = { tenantId, connectionId, claims: opened.claims };
  return inTenant(deps.db, tenantId, async (tx) => {
    if (!(await lockLiveSession(tx, tenantId, { staffId, sessionId }))) {
      return { refusal: 'session_ended' as const };
    }
    return linkIdentity(deps, tx, ctx, what, { staffId, userId, how: 'consent' });
  });
}

/**
 * Links the identity with which a person has come back to their membership. The session is the one
 * in which they asked for it.
 * @throws AppError SSO_REFUSED for every reason, which only the tenant's audit log has
 */
export async function completeLink(
  deps: SsoDeps,
  ctx: RequestContext,
  principal: Principal,
  cookie: string | undefined,
): Promise<LinkRow> {
  const attempt = await takeReturned(deps, cookie, 'link');
  if (!attempt) {
    deps.metrics.ssoSignIns.inc({ outcome: 'attempt_unknown' });
    throw new AppError('SSO_REFUSED');
  }
  const linked = await link(deps, ctx, attempt, principal);
  if ('link' in linked) {
    deps.metrics.ssoSignIns.inc({ outcome: 'done' });
    return linked.link;
  }
  const { tenantId, connectionId } = attempt;
  const about = { tenantId, connectionId, attempt: { ...attempt, kind: 'link' as const } };
  await refuseAttempt(deps, ctx, about, linked.refusal);
  throw new AppError('SSO_REFUSED');
}
