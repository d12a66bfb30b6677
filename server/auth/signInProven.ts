import type { RequestContext } from '../context';
import { AppError } from '../errors';
import { judgeAddress, settleDevice } from '../security';
import type { DeviceIdentity } from '../security';
import { findOpenMember } from './accountStore';
import { countingAmr } from './authMethods';
import type { IssuedToken, TokenPair } from './openSession';
import { signInMember } from './signInMember';
import type { SignInDeps } from './signInMember';

/** A member whose identity a tenant's provider has proven. */
export interface ProvenMember {
  tenantId: string;
  staffId: string;
  /**
   * The member's `session_version` when the identity was theirs: if their sessions have been ended
   * since, for example because it was unlinked, it signs nobody in.
   */
  sessionVersion: number;
  /** The tenant's connection to the provider. */
  connectionId: string;
  /** The provider's id of its own session, from the claim `sid`; null if it sent none. */
  providerSid: string | null;
  /** The provider's `amr`, in its own words. */
  amr: string[];
  /** When the person signed in there, in seconds since the epoch; null if the provider did not say. */
  authTime: number | null;
  /** The tenant's policy says that a second factor at the provider counts as one here. */
  trustsFactor: boolean;
}

export interface ProvenSignIn {
  rememberMe: boolean;
  device: DeviceIdentity;
  /** Called with the device cookie that the browser should keep. */
  onDevice?: (cookie: string) => void;
  /** Called with the first refresh token of the session. */
  onIssued?: (issued: IssuedToken) => void;
}

/**
 * Signs in a member whose identity a tenant's provider has proven, by the same rules as with a
 * password: IP rules, score, the demanded factor, session, record. The counters of failed logins
 * neither stop it nor change. The session belongs to that tenant: it is no proof of the person
 * elsewhere (`ownProof` of the principal). A 428 is finished with `completeLogin`.
 *
 * `authTime` is for the caller's own rules; no rule here depends on it.
 * @returns the tokens
 * @throws AppError INVALID_CREDENTIALS if the member may not sign in, or their sessions were ended
 * since the identity was found; IP_BLOCKED, IP_RULES_UNAVAILABLE, STEP_UP_REQUIRED, LOGIN_BLOCKED; SCHEMA_UNAVAILABLE if `user_sessions` is
 * missing, because nothing could bind the tokens to the connection
 */
export async function signInProven(
  deps: SignInDeps,
  ctx: RequestContext,
  proven: ProvenMember,
  input: ProvenSignIn,
): Promise<TokenPair> {
  const { tenantId, staffId, connectionId, providerSid } = proven;
  const member = await findOpenMember(deps.db, tenantId, staffId);
  if (member?.sessionVersion !== proven.sessionVersion) throw new AppError('INVALID_CREDENTIALS');
  const { userId } = member;
  const device = await settleDevice(deps, input.device, { userId, userAgent: ctx.userAgent });
  input.onDevice?.(device.cookie);
  const { accountsTried } = await judgeAddress(deps, ctx);
  const { rememberMe } = input;
  const tokens = await signInMember(deps, ctx, {
    ...{ userId, membership: member, rememberMe, device, accountsTried },
    // Wrong passwords say nothing about a sign-in that needs none.
    recentFailures: 0,
    provider: { connectionId, sid: providerSid, amr: countingAmr(proven) },
  });
  const { refreshToken, refreshExpiresAt } = tokens;
  input.onIssued?.({ refreshToken, expiresAt: new Date(refreshExpiresAt), rememberMe });
  return tokens;
}
