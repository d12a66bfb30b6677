import type { Principal } from '../../context';
import { DAY_MS } from '../../durations';
import type { SecurityDeps } from '../deps';
import { decideRisk } from './riskPolicy';
import type { SentPolicy } from './riskPolicy';
import { groupDecisions, listAffected } from './riskSimulationStore';
import type { AffectedPerson, DecisionGroup } from './riskSimulationStore';
import { sumOf, weigh } from './score';

/** More names than anybody reads. */
const MOST_PEOPLE = 100;

interface Tally {
  allowed: number;
  challenged: number;
  blocked: number;
}

export interface Simulation {
  from: Date;
  to: Date;
  /** Scored logins and refreshes; one that was repeated with its proof counts once. */
  decisions: number;
  /** Decisions that could not be scored at the time, and cannot be now. */
  skipped: number;
  /**
   * Their outcomes at the time; `monitored` ones would have been challenged or blocked by a policy
   * that was in monitor mode.
   */
  recorded: Tally & { monitored: number };
  /** The decisions of the proposed policy if it were enforced. */
  proposed: Tally;
  /** The proposed policy's decisions on those with a verdict. */
  verdicts: { legitimate: Tally; suspicious: Tally };
  people: AffectedPerson[];
  /** True if more people are affected than are listed. */
  morePeople: boolean;
}

const OUTCOME = { allow: 'allowed', step_up: 'challenged', block: 'blocked' } as const;
const nothing = (): Tally => ({ allowed: 0, challenged: 0, blocked: 0 });

const codesOf = (seen: string) => (seen === '' ? [] : seen.split(','));

/** Maps each combination of signals to the policy's decision. */
function decideAll(groups: readonly DecisionGroup[], policy: SentPolicy) {
  return new Map(
    groups.map(({ seen }) => {
      const score = sumOf(weigh(codesOf(seen), policy.weights).values());
      return [seen, OUTCOME[decideRisk(score, policy)]] as const;
    }),
  );
}

function tally(
  groups: readonly DecisionGroup[],
  outcomeOf: (group: DecisionGroup) => keyof Tally | undefined,
): Tally {
  const counts = nothing();
  for (const group of groups) {
    const outcome = outcomeOf(group);
    if (outcome) counts[outcome] += group.count;
  }
  return counts;
}

const count = (groups: readonly DecisionGroup[]) =>
  groups.reduce((sum, group) => sum + group.count, 0);

/**
 * Replays the decisions of the last days under another policy: the same signals with new weights.
 * It cannot predict how people would have gone on: a device that was let in without a proof was
 * learnt at the time.
 * @param days how far back, at most 30
 */
export async function simulateRiskPolicy(
  deps: Pick<SecurityDeps, 'db' | 'clock' | 'riskDecisions'>,
  { tenantId }: Principal,
  { policy, days }: { policy: SentPolicy; days: number },
): Promise<Simulation> {
  await deps.riskDecisions.flush();
  const to = deps.clock.now();
  const span = { from: new Date(to.getTime() - days * DAY_MS), to: new Date(to.getTime() + 1) };
  const groups = await groupDecisions(deps.db, tenantId, span);
  const scored = groups.filter(({ skipped }) => !skipped);
  const decided = decideAll(scored, policy);
  const propose = ({ seen }: DecisionGroup) => decided.get(seen);
  const withVerdict = (verdict: 'legitimate' | 'suspicious') =>
    tally(
      scored.filter((group) => group.verdict === verdict),
      propose,
    );
  const standing = (outcome: keyof Tally) =>
    [...decided].filter(([, said]) => said === outcome).map(([seen]) => seen);
  const query = { ...span, challenged: standing('challenged'), blocked: standing('blocked') };
  const people = await listAffected(deps.db, tenantId, { ...query, limit: MOST_PEOPLE + 1 });
  return {
    from: span.from,
    to,
    decisions: count(scored),
    skipped: count(groups) - count(scored),
    recorded: {
      ...tally(scored, ({ outcome }) =>
        outcome === 'passed' || outcome === 'monitored' ? undefined : outcome,
      ),
      monitored: count(scored.filter(({ outcome }) => outcome === 'monitored')),
    },
    proposed: tally(scored, propose),
    verdicts: { legitimate: withVerdict('legitimate'), suspicious: withVerdict('suspicious') },
    people: people.slice(0, MOST_PEOPLE),
    morePeople: people.length > MOST_PEOPLE,
  };
}
