import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { AuthDeps } from './deps';
import { invalidateSessions } from './invalidateSessions';
import { listLiveStaff } from './liveStaffStore';
import type { LiveStaff, StaffCursor } from './liveStaffStore';
import { inTenant } from '../db/tenantScope';

const PAGE = 500;

type ReturnedDeps = Pick<AuthDeps, 'db' | 'clock' | 'riskFacts'>;

/** Selects the sessions whose end may have been lost in a failover. */
export interface ReturnedSessions {
  /** One tenant, or all tenants if undefined. */
  tenantId: string | undefined;
  /** The last moment for which no data was lost. */
  since: Date;
  /**
   * The moment when the database that lost data went on. Sessions that began later cannot be
   * affected. Undefined means now.
   */
  until: Date | undefined;
}

export interface EndedSessions {
  people: number;
  sessions: number;
}

async function forEachLive(
  { db }: ReturnedDeps,
  which: ReturnedSessions,
  act: (staff: LiveStaff) => Promise<void>,
): Promise<void> {
  let after: StaffCursor | undefined;
  do {
    const { live, next } = await listLiveStaff(db, { ...which, after, limit: PAGE });
    for (const staff of live) await act(staff);
    after = next;
  } while (after);
}

/**
 * Counts the people and sessions that {@link endReturnedSessions} would sign out, and changes
 * nothing.
 */
export async function countReturnedSessions(
  deps: ReturnedDeps,
  which: ReturnedSessions,
): Promise<EndedSessions> {
  const counted = { people: 0, sessions: 0 };
  await forEachLive(deps, which, ({ sessions }) => {
    counted.people += 1;
    counted.sessions += sessions;
    return Promise.resolve();
  });
  return counted;
}

/**
 * Ends the sessions that a failover may have brought back. A lost sign-out leaves no trace, and an
 * attacker's session looks as busy as its owner's. So everybody with a live session that began
 * before `until` is signed out everywhere, in one transaction per person. After a failure, call it
 * again to end the rest.
 * @returns how many people and sessions were ended; nothing is recorded if there were none
 */
export async function endReturnedSessions(
  deps: ReturnedDeps,
  ctx: RequestContext,
  which: ReturnedSessions,
): Promise<EndedSessions> {
  const ended = { people: 0, sessions: 0 };
  try {
    await forEachLive(deps, which, async ({ tenantId, staffId, sessions }) => {
      const what = { staffId, reason: 'force_logout' as const, now: deps.clock.now() };
      await inTenant(deps.db, tenantId, (tx) =>
        invalidateSessions(tx, ctx, 'normal', tenantId, what),
      );
      deps.riskFacts.forget(tenantId, staffId);
      ended.people += 1;
      ended.sessions += sessions;
    });
  } finally {
    // Record the total even if a fault stopped the loop half-way.
    if (ended.people > 0) await recordSum(deps, ctx, which, ended);
  }
  return ended;
}

const recordSum = (
  { db }: ReturnedDeps,
  ctx: RequestContext,
  { tenantId, since, until }: ReturnedSessions,
  ended: EndedSessions,
) =>
  db.transaction((tx) =>
    recordAudit(tx, ctx, {
      action: 'SESSIONS_ENDED',
      outcome: 'success',
      tenantId: tenantId ?? null,
      subject: tenantId === undefined ? null : `tenant:${tenantId}`,
      details: {
        since: since.toISOString(),
        until: until?.toISOString() ?? null,
        ...ended,
        via: 'operator',
      },
    }),
  );
