import { CHECKS, FINDING_KINDS, GUARDED, layOutReport } from '../audit/verify';
import type { CheckName, Finding, Verification } from '../audit/verify';

type Walk = NonNullable<Verification['walk']>;

const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

/** The sentence of each check for the case that it found nothing. */
const GOOD: Readonly<Record<CheckName, (walk: Walk, given: number) => string>> = {
  guards: () => GUARDED,
  events: ({ events, logs }) =>
    `${plural(events, 'event')} in ${plural(logs, 'log')} as they were sealed, none missing`,
  times: () => 'no event claims a time that its log had already passed, or a time in the future',
  trees: ({ logs, nodes }) =>
    `${plural(logs, 'tree')} and ${plural(nodes, 'stored hash', 'stored hashes')} match the events`,
  checkpoints: ({ checkpoints, unvouchedLogs, unvouchedCheckpoints }) =>
    unvouchedLogs === 0
      ? `${plural(checkpoints, 'checkpoint')} signed by trusted keys, and each matches the tree`
      : `${plural(checkpoints - unvouchedCheckpoints, 'checkpoint')} signed by trusted keys; no key was given for the logs of ${unvouchedCheckpoints} more`,
  unsealed: () => 'no event was inserted behind the sealer, and none waits for too long',
  earlier: (_walk, given) =>
    given === 0
      ? 'no earlier checkpoint was given: anyone with the signing key could have rewritten the whole log (--checkpoint FILE)'
      : `${plural(given, 'earlier checkpoint')} of the same history`,
};

type Mark = 'ok' | 'FAIL' | '--';

interface CheckLine {
  readonly check: CheckName;
  /** `--` means that it was not checked. */
  readonly mark: Mark;
  readonly says: string;
}

function describeChecks({ findings, walk, given }: Verification): CheckLine[] {
  return CHECKS.map((check) => {
    const count = findings.countOf(check);
    if (count > 0) return { check, mark: 'FAIL', says: plural(count, 'finding') };
    if (!walk) {
      const why = findings.count().table_missing ? 'tables are missing' : 'columns were changed';
      return { check, mark: '--', says: `not checked: ${why}` };
    }
    const isOpen =
      (check === 'earlier' && given === 0) || (check === 'checkpoints' && walk.unvouchedLogs > 0);
    const mark: Mark = isOpen ? '--' : 'ok';
    return { check, mark, says: GOOD[check](walk, given) };
  });
}

/**
 * Returns whether a key was given for every log. Without one, checkpoints that another person
 * signed would pass.
 */
export const isJudged = ({ walk }: Verification): boolean =>
  walk === undefined || walk.unvouchedLogs === 0;

function describePlace({ log, leaf, event }: Finding): string {
  const parts = [
    log === undefined ? '' : `log ${log}`,
    leaf === undefined ? '' : `leaf ${leaf}`,
    event === undefined ? '' : `event ${event}`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function describeFinding(finding: Finding): string {
  const place = describePlace(finding);
  return `${finding.kind}  ${place === '' ? '' : `${place}: `}${finding.message}`;
}

/**
 * Returns the report for people: a line for each check, then the findings and the notices, and in
 * the last line whether the log is sound.
 */
export function describeAsText(verification: Verification): string {
  const { findings, notices } = verification;
  const sound = !isJudged(verification)
    ? `The log COULD NOT BE VERIFIED: no key was given for ${plural(verification.walk?.unvouchedLogs ?? 0, 'log')}. Nothing was found wrong.`
    : 'The log is sound.';
  const verdict =
    findings.total === 0 ? sound : `The log is NOT sound: ${plural(findings.total, 'finding')}.`;
  return layOutReport({
    checks: describeChecks(verification),
    found: findings.shown().map(describeFinding),
    total: findings.total,
    notices,
    verdict,
  });
}

/** Returns the report for programs: the same content as one line of JSON. */
export function describeAsJson(verification: Verification): string {
  const { findings, notices, walk, given } = verification;
  const marks = { ok: true, FAIL: false, '--': null };
  return `${JSON.stringify({
    sound: findings.total === 0 && isJudged(verification),
    checks: describeChecks(verification).map(({ check, mark }) => ({ check, ok: marks[mark] })),
    logs: walk?.logs ?? 0,
    events: walk?.events ?? 0,
    checkpoints: walk?.checkpoints ?? 0,
    earlierCheckpoints: given,
    findingCount: findings.total,
    countByKind: findings.count(),
    findings: findings
      .shown()
      .map((finding) => ({ check: FINDING_KINDS[finding.kind].check, ...finding })),
    notices,
  })}\n`;
}
