import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Deps } from '../deps';
import { invalidateSessions } from './invalidateSessions';
import { listLiveStaff } from './liveStaffStore';
import type { LiveStaff, StaffCursor } from './liveStaffStore';

const PAGE = 500;

type ReturnedDeps = Pick<Deps, 'db' | 'clock' | 'riskFacts'>;

/** Which sessions may be among those that had ended. */
export interface ReturnedSessions {
  /** All tenants if undefined. */
  tenantId: string | undefined;
  /** The last moment of which nothing is lost. */
  since: Date;
  /** When the database that lost something went on: what began after it is in nobody else's hands. Until now if undefined. */
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

/** Counts those whom {@link endReturnedSessions} would sign out, and changes nothing. */
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
 * Ends the sessions that a failover may have brought back. A sign-out that was lost leaves no trace, and a thief's session
 * looks as busy as its owner's: so everybody who has a live session that began before `until` is signed out everywhere, one
 * transaction a person. A second call ends what the first one did not come to.
 * @returns how many there were; nothing is recorded if there was none
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
      await deps.db.transaction((tx) => invalidateSessions(tx, ctx, 'normal', tenantId, what));
      deps.riskFacts.forget(tenantId, staffId);
      ended.people += 1;
      ended.sessions += sessions;
    });
  } finally {
    // What was done before a fault is summed up all the same.
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
