import type { Principal } from '../context';
import { batchLoads } from '../db/batchLoads';
import { databaseFault } from '../db/pgErrors';
import type { Kernel } from '../kernel';
import type { AppError } from '../errors';
import { INVALID_TOKEN, invalidToken } from './accessTokens';
import type { AccessClaims } from './accessTokens';
import { createImpersonationCheck, isImpersonation } from './impersonationCheck';
import { findForcedEnd, forcedLogout, toForced } from './forcedEnd';
import {
  TOUCH_AFTER_MS,
  readCheckedSessions,
  readIntrospectedSessions,
  readLiveStaff,
  sessionKey,
  touchSessions,
} from './sessionStore';
import type { CheckedState, IntrospectedState, LiveState, StaffState } from './sessionStore';
import { withSessionTable } from './withSessionTable';

/** The rest of an introspection, besides who it is. */
type Introspected = Pick<IntrospectedState, 'amr' | 'beganAt' | 'endsAt' | 'stepUps'>;

export interface SessionCheck {
  /**
   * Checks the token's session against the database, at every request and on every node; for a token
   * with `act`, the impersonation.
   * @throws AppError UNAUTHENTICATED; FORCE_LOGOUT with the reason if the session was forcibly
   * ended; the driver's error if the database could not be asked
   */
  check(claims: AccessClaims): Promise<Principal>;
  /**
   * Checks the token's session as {@link check} does, for a service that asks about it.
   * @returns who it is, and what an introspection says besides; undefined if the token has ended
   * @throws the driver's error if the database could not be asked
   */
  introspect(
    claims: AccessClaims,
  ): Promise<{ principal: Principal; state: Introspected } | undefined>;
  /** Waits for writes that run in the background. */
  settle(): Promise<void>;
}

type CheckDeps = Pick<Kernel, 'db' | 'pool' | 'clock' | 'schemaGuard' | 'logger' | 'metrics'>;

/**
 * Returns whether the row belongs to the person that the token names. Nobody else may learn
 * anything from it.
 */
const isTheirs = (claims: AccessClaims, state: LiveState | undefined): state is LiveState =>
  state?.tenantId === claims.tid && state.userId === claims.sub;

/** Returns the principal if the signed claims match the live rows; otherwise undefined. */
function toPrincipal(
  claims: AccessClaims,
  state: LiveState | CheckedState | undefined,
): Principal | undefined {
  if (
    !isTheirs(claims, state) ||
    !state.live ||
    !state.active ||
    state.staffVersion !== claims.sv ||
    (state.sessionVersion !== null && state.sessionVersion !== claims.sv)
  ) {
    return undefined;
  }
  return {
    tenantId: state.tenantId,
    userId: state.userId,
    staffId: state.staffId,
    sessionId: state.sessionVersion === null ? null : claims.sid,
    sid: claims.sid,
    sessionVersion: state.staffVersion,
    roles: state.roles,
    permissions: state.permissions,
    email: state.email,
    name: state.name,
    tenant: { slug: state.tenantSlug, name: state.tenantName },
    // An introspection does not read it: the services that ask act for nobody.
    ownProof: 'ownProof' in state && state.ownProof,
  };
}

/**
 * Builds the error for a refused token. If the session was forcibly ended, the reason is given,
 * also to a thief who holds the token. The reason came with the live session. Only if the version
 * has moved on and the row has no reason are the refresh tokens asked: `user_sessions` was missing
 * at that time.
 */
async function explainRefusal(
  deps: CheckDeps,
  claims: AccessClaims,
  state: LiveState | undefined,
): Promise<AppError> {
  if (!isTheirs(claims, state)) return invalidToken();
  const unexplained = state.revokeReason === null && state.staffVersion !== claims.sv;
  const forced = unexplained
    ? await findForcedEnd(deps, claims.tid, { familyId: claims.sid, sessionId: claims.sid })
    : toForced(state.revokeReason);
  return forced ? forcedLogout(forced, INVALID_TOKEN) : invalidToken();
}

/** Updates `last_seen_at` in the background, many sessions in one statement. */
function createToucher(deps: CheckDeps) {
  const due = new Set<string>();
  let writing: Promise<void> | undefined;

  async function write(): Promise<void> {
    while (due.size > 0) {
      const ids = [...due].sort();
      due.clear();
      try {
        await touchSessions(deps.pool, ids, deps.clock.now());
      } catch (error) {
        deps.metrics.backgroundFailures.inc({ task: 'touch_sessions' });
        if (databaseFault(error) !== 'missing_table') {
          deps.logger.warn({ err: error }, 'last_seen_at could not be written');
        }
      }
    }
    writing = undefined;
  }
  return {
    touch(sessionId: string) {
      due.add(sessionId);
      writing ??= write();
    },
    settle: () => writing ?? Promise.resolve(),
  };
}

/** Without a session there is nothing besides the state of the staff member. */
const NO_SESSION = { amr: null, beganAt: null, stepUps: [] } as const;

/**
 * Returns the state of a token without a session, or whose session cannot be read: nobody knows how
 * the person signed in, so nothing counts as their own proof.
 */
const withoutSession = (staff: StaffState): CheckedState => ({ ...staff, ownProof: false });

export function createSessionCheck(deps: CheckDeps): SessionCheck {
  const now = () => deps.clock.now();
  const loadSession = batchLoads((keys) => readCheckedSessions(deps.pool, keys, now()));
  const loadMore = batchLoads((keys) => readIntrospectedSessions(deps.pool, keys, now()));
  const toucher = createToucher(deps);
  const checkImpersonation = createImpersonationCheck(deps);

  async function load<State extends LiveState>(
    claims: AccessClaims,
    loadOne: (key: string) => Promise<State | undefined>,
    without: (staff: StaffState) => State,
  ): Promise<State | undefined> {
    const ofStaff = async () => {
      const staff = await readLiveStaff(deps.db, claims.tid, claims.sub);
      return staff && without(staff);
    };
    if (claims.dgr) return ofStaff();
    return withSessionTable(deps, (mode) =>
      mode === 'normal' ? loadOne(sessionKey(claims.tid, claims.sid)) : ofStaff(),
    );
  }

  function touchIfDue({ sid }: AccessClaims, state: LiveState | undefined): void {
    const lastSeen = state?.lastSeenAt ?? null;
    if (lastSeen !== null && now().getTime() - lastSeen >= TOUCH_AFTER_MS) toucher.touch(sid);
  }

  async function check(claims: AccessClaims): Promise<Principal> {
    if (isImpersonation(claims)) {
      const impersonated = await checkImpersonation(claims);
      if (!impersonated) throw invalidToken();
      return impersonated;
    }
    const state = await load(claims, loadSession, withoutSession);
    const principal = toPrincipal(claims, state);
    if (!principal) throw await explainRefusal(deps, claims, state);
    touchIfDue(claims, state);
    return principal;
  }

  async function introspect(claims: AccessClaims) {
    if (isImpersonation(claims)) {
      const principal = await checkImpersonation(claims);
      const endsAt = principal?.impersonation?.endsAt.getTime() ?? null;
      return principal && { principal, state: { ...NO_SESSION, endsAt } };
    }
    const state = await load(claims, loadMore, (staff) => ({ ...staff, ...NO_SESSION }));
    const principal = toPrincipal(claims, state);
    if (!principal || !state) return undefined;
    touchIfDue(claims, state);
    return { principal, state };
  }
  return { check, introspect, settle: toucher.settle };
}
