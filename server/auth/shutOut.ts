import type { RequestContext } from '../context';
import { conclude, settle } from '../security';
import type { Verdict } from '../security';
import { forgetOrWarn, taughtBy } from './distrustSessions';
import { invalidateSessions } from './invalidateSessions';
import type { RefreshDeps } from './rotate';
import { withSessionTable } from './withSessionTable';
import { inTenant } from '../db/tenantScope';

/**
 * Carries out a block: ends every session of the staff member, forgets what the session of a
 * refresh taught the scorer, and records the verdict. A login that is blocked has taught nothing.
 */
export async function shutOut(
  deps: RefreshDeps,
  ctx: RequestContext,
  verdict: Verdict,
): Promise<void> {
  const { at, tenantId, staffId, sessionId } = verdict;
  await withSessionTable(deps, (mode) =>
    inTenant(deps.db, tenantId, async (tx) => {
      const ended = { staffId, reason: 'security_event' as const, now: deps.clock.now() };
      await invalidateSessions(tx, ctx, mode, tenantId, ended);
      if (at === 'refresh') {
        await forgetOrWarn(deps, tx, tenantId, { staffId, ...taughtBy(sessionId) });
      }
      await settle(deps, tx, ctx, verdict, 'blocked');
    }),
  );
  await conclude(deps, ctx, verdict, 'blocked');
}
