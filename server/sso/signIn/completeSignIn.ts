import type { SsoRefusal } from '../../audit';
import { signInProven } from '../../auth';
import type { RequestContext } from '../../context';
import { inTenant } from '../../db/tenantScope';
import { AppError } from '../../errors';
import type { SsoDeps } from '../deps';
import { findClient } from './clientStore';
import type { ReturnedAttempt } from './ssoAttemptStore';
import { findOrLink } from './linkIdentity';
import { readSessionVersion } from './memberStore';
import { refuseAttempt } from './refuseAttempt';
import { openReturned, takeReturned } from './returnedClaims';

type SignInInput = Parameters<typeof signInProven>[3];
type Tokens = Awaited<ReturnType<typeof signInProven>>;

/** A page that finishes a sign-in. */
export interface Completion extends Omit<SignInInput, 'rememberMe'> {
  /** The value of the browser's cookie. */
  readonly cookie: string | undefined;
}

async function refuse(
  deps: SsoDeps,
  ctx: RequestContext,
  attempt: ReturnedAttempt,
  reason: SsoRefusal,
): Promise<never> {
  const { tenantId, connectionId } = attempt;
  const about = { tenantId, connectionId, attempt: { ...attempt, kind: 'login' as const } };
  await refuseAttempt(deps, ctx, about, reason);
  throw new AppError('SSO_REFUSED');
}

/** Signs a linked member in like everybody. @returns undefined if they may not sign in any more */
async function signIn(
  deps: SsoDeps,
  ctx: RequestContext,
  proven: Parameters<typeof signInProven>[2],
  input: SignInInput,
): Promise<Tokens | undefined> {
  try {
    return await signInProven(deps, ctx, proven, input);
  } catch (error) {
    if (error instanceof AppError && error.code === 'INVALID_CREDENTIALS') return undefined;
    throw error;
  }
}

/**
 * Returns why a member could not be signed in. A connection that is deleted while somebody signs in
 * lets nobody in.
 */
async function whyRefused(
  { db }: Pick<SsoDeps, 'db'>,
  { tenantId, connectionId }: ReturnedAttempt,
): Promise<SsoRefusal> {
  const client = await findClient(db, tenantId, connectionId);
  return client ? 'member_refused' : 'connection_deleted';
}

/**
 * Finishes a sign-in at a provider: takes the attempt once, finds the member of the identity or
 * links it at first contact, and goes the way of every login.
 * @throws AppError SSO_REFUSED for every reason, which only the tenant's audit log has; what
 * `signInProven` throws, such as STEP_UP_REQUIRED
 */
export async function completeSignIn(
  deps: SsoDeps,
  ctx: RequestContext,
  { cookie, ...input }: Completion,
): Promise<Tokens> {
  const attempt = await takeReturned(deps, cookie, 'login');
  if (!attempt) {
    deps.metrics.ssoSignIns.inc({ outcome: 'attempt_unknown' });
    throw new AppError('SSO_REFUSED');
  }
  const { tenantId, connectionId, rememberMe } = attempt;
  const opened = await openReturned(deps, attempt);
  if ('refusal' in opened) return refuse(deps, ctx, attempt, opened.refusal);
  const { claims } = opened;
  const found = await inTenant(deps.db, tenantId, async (tx) => {
    const linked = await findOrLink(deps, tx, ctx, { tenantId, connectionId, claims });
    if ('refusal' in linked) return linked;
    const { staffId } = linked.link;
    return { staffId, sessionVersion: await readSessionVersion(tx, tenantId, staffId) };
  });
  if ('refusal' in found) return refuse(deps, ctx, attempt, found.refusal);
  const { sid: providerSid, amr, authTime } = claims;
  const proven = { tenantId, ...found, connectionId, providerSid, amr, authTime };
  const tokens = await signIn(
    deps,
    ctx,
    { ...proven, trustsFactor: false },
    { ...input, rememberMe },
  );
  if (!tokens) return refuse(deps, ctx, attempt, await whyRefused(deps, attempt));
  deps.metrics.ssoSignIns.inc({ outcome: 'done' });
  return tokens;
}
