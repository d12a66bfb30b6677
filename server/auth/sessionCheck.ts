import type { Principal } from '../context';
import { batchLoads } from '../db/batchLoads';
import { databaseFault } from '../db/pgErrors';
import type { Deps } from '../deps';
import { invalidToken } from './accessTokens';
import type { AccessClaims } from './accessTokens';
import { readLiveSessions, readLiveStaff, touchSessions } from './sessionStore';
import type { LiveState } from './sessionStore';
import { withSessionTable } from './withSessionTable';

export interface SessionCheck {
  /**
   * Asks the database whether the token's session is still good, at every request and on every node.
   * @throws AppError UNAUTHENTICATED; the driver's error where the database could not be asked
   */
  check(claims: AccessClaims): Promise<Principal>;
  /** Waits for writes that answers did not wait for. */
  settle(): Promise<void>;
}

type CheckDeps = Pick<Deps, 'pool' | 'clock' | 'schemaGuard' | 'logger' | 'metrics'>;

const TOUCH_AFTER_MS = 60_000;

/** The signed claims and the live rows must tell the same story. */
function toPrincipal(claims: AccessClaims, state: LiveState | undefined): Principal {
  if (
    !state?.live ||
    !state.active ||
    state.tenantId !== claims.tid ||
    state.userId !== claims.sub ||
    state.staffVersion !== claims.sv ||
    (state.sessionVersion !== null && state.sessionVersion !== claims.sv)
  ) {
    throw invalidToken();
  }
  return {
    tenantId: state.tenantId,
    userId: state.userId,
    staffId: state.staffId,
    sessionId: state.sessionVersion === null ? null : claims.sid,
    sid: claims.sid,
    sessionVersion: state.staffVersion,
    permissions: state.permissions,
    email: state.email,
    tenant: { slug: state.tenantSlug, name: state.tenantName },
  };
}

/** Moves `last_seen_at` on without making anybody wait, many sessions in one statement. */
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

export function createSessionCheck(deps: CheckDeps): SessionCheck {
  const loadSession = batchLoads((ids) => readLiveSessions(deps.pool, ids, deps.clock.now()));
  const toucher = createToucher(deps);

  async function check(claims: AccessClaims): Promise<Principal> {
    const state = claims.dgr
      ? await readLiveStaff(deps.pool, claims.tid, claims.sub)
      : await withSessionTable(deps, (mode) =>
          mode === 'normal'
            ? loadSession(claims.sid)
            : readLiveStaff(deps.pool, claims.tid, claims.sub),
        );
    const principal = toPrincipal(claims, state);
    const lastSeen = state?.lastSeenAt ?? null;
    if (lastSeen !== null && deps.clock.now().getTime() - lastSeen >= TOUCH_AFTER_MS) {
      toucher.touch(claims.sid);
    }
    return principal;
  }
  return { check, settle: toucher.settle };
}
