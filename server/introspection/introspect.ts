import type { Principal, RequestContext } from '../context';
import { SECOND_MS } from '../durations';
import { findWindowSec } from '../security';
import type { IntrospectionDeps } from './deps';
import { findCaller, whyRefused } from './findCaller';
import type { FindDeps, FoundCaller } from './findCaller';

type IntrospectDeps = FindDeps & Pick<IntrospectionDeps, 'config' | 'clock' | 'riskPolicies'>;
type Person = Extract<FoundCaller, { kind: 'person' }>;
type Program = Extract<FoundCaller, { kind: 'key' }>;

const seconds = (ms: number) => Math.floor(ms / SECOND_MS);

/** Returns the seconds until the first of some moments, to the millisecond, and at least 0. */
const secondsUntil = (now: number, ...moments: readonly number[]) =>
  Math.max(0, Math.round(Math.min(...moments) - now) / SECOND_MS);

/** Describes the proofs of a session that are still fresh under the tenant's policy. */
async function describeStepUps(deps: IntrospectDeps, { principal, state }: Person, now: number) {
  const described = await Promise.all(
    state.stepUps.map(async ({ purpose, verifiedAt }) => {
      const windowSec = await findWindowSec(deps, principal.tenantId, purpose, undefined);
      const expiresIn = secondsUntil(now, verifiedAt + windowSec * SECOND_MS);
      return { purpose, verified_at: seconds(verifiedAt), expires_in: expiresIn };
    }),
  );
  return described
    .filter(({ expires_in: left }) => left > 0)
    .sort((one, other) => (one.purpose < other.purpose ? -1 : 1));
}

/** The claims that people and programs share. */
const describePrincipal = ({ ipRules }: IntrospectDeps, { principal, kind }: FoundCaller) => ({
  sub: principal.userId,
  tid: principal.tenantId,
  tenant: principal.tenant.slug,
  staff_id: principal.staffId,
  username: principal.email,
  name: principal.name,
  permissions: [...principal.permissions].sort(),
  roles: [...principal.roles],
  ...(ipRules.concerns(principal.tenantId, kind === 'key' ? 'api_keys' : 'people')
    ? { address_bound: true as const }
    : {}),
});

/** Says who really acts, or that there is no session to check. */
function describeState({ sessionId, impersonation }: Principal) {
  if (!impersonation) return sessionId === null ? { degraded: true as const } : {};
  const { actor, scope } = impersonation;
  return { act: { sub: actor.userId, staff_id: actor.staffId, sid: actor.sessionId, scope } };
}

async function describePerson(deps: IntrospectDeps, who: Person) {
  const { claims, state, principal } = who;
  const now = deps.clock.now().getTime();
  const amr = state.amr ?? [];
  const rulesChange = deps.ipRules.nextChange(principal.tenantId);
  return {
    active: true as const,
    token_type: 'Bearer' as const,
    iss: deps.config.jwtIssuer,
    aud: deps.config.jwtAudience,
    ...describePrincipal(deps, who),
    sid: principal.sid,
    sv: claims.sv,
    jti: claims.jti,
    iat: claims.iat,
    exp: claims.exp,
    expires_in: secondsUntil(now, claims.exp * SECOND_MS, state.endsAt ?? Infinity, rulesChange),
    amr,
    ...(state.beganAt === null ? {} : { auth_time: seconds(state.beganAt) }),
    acr: amr.includes('mfa') ? ('aal2' as const) : ('aal1' as const),
    step_ups: await describeStepUps(deps, who, now),
    ...describeState(principal),
  };
}

function describeProgram(deps: IntrospectDeps, who: Program) {
  const { id, name, expiresAt, previousLive, previousUntil } = who.key;
  // The text may be the one before the last rotation, which ends earlier.
  const previous = previousLive && previousUntil ? previousUntil.getTime() : Infinity;
  const rulesChange = deps.ipRules.nextChange(who.principal.tenantId);
  return {
    active: true as const,
    token_type: 'api_key' as const,
    ...describePrincipal(deps, who),
    api_key_id: id,
    key_name: name,
    exp: seconds(expiresAt.getTime()),
    expires_in: secondsUntil(
      deps.clock.now().getTime(),
      expiresAt.getTime(),
      previous,
      rulesChange,
    ),
    step_ups: [],
  };
}

/**
 * Answers whether a token is good now, and whose it is (RFC 7662). An inactive token gets no reason,
 * except that the tenant's IP rules refuse the address.
 * @throws AppError IP_RULES_UNAVAILABLE; the driver's error if the database could not be asked
 */
export async function introspect(
  deps: IntrospectDeps,
  ctx: RequestContext,
  { token, address }: { token: string; address: string | null },
) {
  // A service keeps the answer until it hears of a change, so the answer must not be older than that.
  const isCurrent = await deps.ipRules.refreshNow();
  const found = await findCaller(deps, ctx, token, address).catch(whyRefused);
  if (!found) return { active: false as const };
  if ('reason' in found) return { active: false as const, ...found };
  const said = await (found.kind === 'key'
    ? describeProgram(deps, found)
    : describePerson(deps, found));
  return isCurrent ? said : { ...said, degraded: true as const };
}
