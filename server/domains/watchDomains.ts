import { createTurns } from '../backgroundTurns';
import type { Turns } from '../backgroundTurns';
import { systemContext } from '../context';
import { MINUTE_MS } from '../durations';
import { createLogOnce } from '../logOnce';
import { recordOf } from './domainName';
import type { Look } from './domainStore';
import { leaseDueDomains } from './dueDomainStore';
import { settleLook } from './settleLook';
import type { SettleDeps } from './settleLook';
import type { TxtFinding, TxtLookup } from './txtLookup';

type WatchDeps = SettleDeps & { lookUpTxt: TxtLookup };

/** The looks that run at the same time. */
const AT_ONCE = 20;

async function lookAgain(deps: WatchDeps, look: Look): Promise<TxtFinding> {
  const finding = await deps.lookUpTxt(recordOf(look));
  await settleLook(deps, systemContext(deps.random.id()), look, finding);
  return finding;
}

/**
 * Looks each minute for proven domains whose next look is due, once it is started. Any number of
 * nodes may do it at the same time; each look is taken by one.
 */
export function watchDomains(deps: WatchDeps): Turns {
  const logOnce = createLogOnce();
  const note = (findings: readonly TxtFinding[]) => {
    if (findings.length === 0) return;
    if (findings.some((finding) => finding !== 'unreachable')) {
      if (logOnce.recovered()) deps.logger.info('DNS answers again');
      return;
    }
    logOnce.failed('dns', () =>
      deps.logger.warn('DNS did not answer for any of the domains that are due: no proof is lost'),
    );
  };
  return createTurns(
    {
      task: 'check_domains',
      everyMs: MINUTE_MS,
      metrics: deps.metrics,
      logFailure: (line) => deps.logger.warn(line, 'proven domains could not be checked again'),
    },
    async ({ stopped }) => {
      while (!stopped()) {
        const due = await leaseDueDomains(deps.db, AT_ONCE);
        if (due.length === 0) return;
        const ends = await Promise.allSettled(due.map((look) => lookAgain(deps, look)));
        note(ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : [])));
        const failed = ends.find((end) => end.status === 'rejected');
        // The domains are due again when their leases end.
        if (failed) throw failed.reason;
      }
    },
  );
}
