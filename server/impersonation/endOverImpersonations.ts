import { isEndReason } from '../audit';
import { readLiveImpersonations, sessionKey } from '../auth';
import { createTurns } from '../backgroundTurns';
import type { Turns } from '../backgroundTurns';
import { systemContext } from '../context';
import { inTenant } from '../db/tenantScope';
import { SECOND_MS } from '../durations';
import type { ImpersonationDeps } from './deps';
import { endImpersonation } from './endImpersonation';
import { listAllRunning } from './runningStore';

type EndDeps = Pick<
  ImpersonationDeps,
  'db' | 'pool' | 'clock' | 'random' | 'keys' | 'mail' | 'logger' | 'metrics'
>;

/**
 * Ends the impersonations that are over: their requests are refused already, and this records the
 * end with its reason. Any number of nodes may do it at the same time; each end is recorded once.
 * @returns how many this call has ended
 */
export async function endOverImpersonations(deps: EndDeps): Promise<number> {
  const open = await listAllRunning(deps.db);
  if (open.length === 0) return 0;
  const keys = open.map(({ tenantId, id }) => sessionKey(tenantId, id));
  const live = await readLiveImpersonations(deps.pool, keys, deps.clock.now());
  let ended = 0;
  for (const { tenantId, id, over } of live.values()) {
    if (over === null || !isEndReason(over)) continue;
    const ctx = systemContext(deps.random.id());
    const done = await inTenant(deps.db, tenantId, (tx) =>
      endImpersonation(deps, tx, ctx, { tenantId, id }, { end: over }),
    );
    if (done) ended += 1;
  }
  if (ended > 0) deps.mail.wake();
  return ended;
}

/** Looks each second for impersonations that are over, once it is started. */
export const watchImpersonations = (deps: EndDeps): Turns =>
  createTurns(
    {
      task: 'end_impersonations',
      everyMs: SECOND_MS,
      metrics: deps.metrics,
      logFailure: (line) =>
        deps.logger.warn(line, 'impersonations that are over could not be ended'),
    },
    async () => void (await endOverImpersonations(deps)),
  );
