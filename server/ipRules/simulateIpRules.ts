import { clientIp } from '../context';
import type { Principal, RequestContext } from '../context';
import { DAY_MS } from '../durations';
import { AppError } from '../errors';
import { readAddress } from '../http/clientAddress';
import type { IpRuleDeps } from './deps';
import { judgeAddresses } from './judgeAddresses';
import type { Verdicts } from './judgeAddresses';
import { findRuleIssues } from './planRules';
import type { RuleInput } from './planRules';
import { compileRules } from './ruleSet';
import type { JudgeAddress, Refusal, RuleTarget } from './ruleSet';
import { findEmails, listSeenAddresses, listSeenKeys } from './ruleSimulationStore';
import type { SeenAddress } from './ruleSimulationStore';

/** More names than anybody reads. */
const MOST_PEOPLE = 100;
const MOST_ADDRESSES = 10;

/** The rule that refuses an address; null if none allows it. */
type RefusingRule = Refusal['rule'];

interface SimulatedPerson {
  staffId: string;
  requests: number;
  refused: number;
  lastRefusedAt: Date;
  addresses: {
    address: string | null;
    country: string | null;
    refused: number;
    rule: RefusingRule;
  }[];
  moreAddresses: boolean;
  shutOut: boolean;
}

type Judge = (target: RuleTarget, address: string | null) => Refusal | undefined;

const judgeAt =
  (judge: JudgeAddress, now: Date): Judge =>
  (target, address) =>
    judge(target, address, now.getTime());

/** Collects what the rules would have refused to one person. */
function judgePerson(staffId: string, seen: readonly SeenAddress[], verdicts: Verdicts) {
  const refusals = seen.flatMap((one) => {
    const refusal = verdicts.get(one.address);
    return refusal ? [{ ...one, rule: refusal.rule }] : [];
  });
  const sum = (list: readonly SeenAddress[]) =>
    list.reduce((total, { requests }) => total + requests, 0);
  const [requests, refused] = [sum(seen), sum(refusals)];
  const person: SimulatedPerson = {
    staffId,
    requests,
    refused,
    lastRefusedAt: new Date(Math.max(0, ...refusals.map(({ lastAt }) => lastAt))),
    addresses: refusals
      .slice(0, MOST_ADDRESSES)
      .map(({ address, country, requests: count, rule }) => ({
        ...{ address, country, rule },
        refused: count,
      })),
    moreAddresses: refusals.length > MOST_ADDRESSES,
    shutOut: refused === requests,
  };
  return person;
}

function groupByPerson(seen: readonly SeenAddress[]): Map<string, SeenAddress[]> {
  const groups = new Map<string, SeenAddress[]>();
  for (const one of seen) {
    const group = groups.get(one.staffId);
    if (group) group.push(one);
    else groups.set(one.staffId, [one]);
  }
  return groups;
}

const toVerdict = (refusal: Refusal | undefined) => ({
  passes: refusal === undefined,
  rule: refusal?.rule ?? null,
});

/** @throws AppError INVALID_INPUT with the fields */
function assertSimulable(rules: readonly RuleInput[], now: Date): void {
  const issues = findRuleIssues(rules, now).map(({ at, field, message }) => ({
    path: `rules.${at}.${field}`,
    message,
  }));
  if (issues.length > 0) throw new AppError('INVALID_INPUT', { extra: { issues } });
}

/**
 * Replays the sign-ins and refreshes of the last days, and the last use of each API key, under other
 * rules. It changes nothing.
 * @param days how far back, at most 30
 * @throws AppError INVALID_INPUT if the rules could not be saved
 */
export async function simulateIpRules(
  deps: Pick<IpRuleDeps, 'db' | 'clock'> & { riskDecisions: { flush(): Promise<void> } },
  ctx: RequestContext,
  { tenantId }: Principal,
  asked: { rules: readonly RuleInput[]; days: number; addresses: readonly string[] },
) {
  const to = deps.clock.now();
  assertSimulable(asked.rules, to);
  await deps.riskDecisions.flush();
  const from = new Date(to.getTime() - asked.days * DAY_MS);
  const numbered = asked.rules.map((rule, at) => ({ ...rule, id: `rules.${at}` }));
  const judge = judgeAt(compileRules(numbered), to);
  const until = new Date(to.getTime() + 1);
  const seen = await listSeenAddresses(deps.db, tenantId, { from, to: until });
  const verdicts = await judgeAddresses(
    seen.map(({ address }) => address),
    (address) => judge('people', address),
  );
  const people = [...groupByPerson(seen)]
    .map(([staffId, own]) => judgePerson(staffId, own, verdicts))
    .filter(({ refused }) => refused > 0)
    .sort((one, other) => other.refused - one.refused || (one.staffId < other.staffId ? -1 : 1));
  const listed = people.slice(0, MOST_PEOPLE);
  const emails = await findEmails(
    deps.db,
    tenantId,
    listed.map(({ staffId }) => staffId),
  );
  const keys = (await listSeenKeys(deps.db, tenantId, from)).flatMap(({ lastAt, ...key }) => {
    const refusal = judge('api_keys', readAddress(key.address));
    return refusal ? [{ ...key, lastUsedAt: new Date(lastAt), rule: refusal.rule }] : [];
  });
  const own = clientIp(ctx);
  return {
    from,
    to,
    requests: seen.reduce((total, { requests }) => total + requests, 0),
    refused: people.reduce((total, { refused }) => total + refused, 0),
    people: listed.map((person) => ({ ...person, email: emails.get(person.staffId) ?? null })),
    morePeople: people.length > MOST_PEOPLE,
    keys,
    yourAddress: { address: own, ...toVerdict(judge('people', own)) },
    addresses: asked.addresses.map((address) => ({
      address,
      people: toVerdict(judge('people', address)),
      apiKeys: toVerdict(judge('api_keys', address)),
    })),
  };
}
