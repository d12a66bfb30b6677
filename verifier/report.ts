import { layOutReport } from '../server/audit/verify/reportText';
import { CHECKS, FINDING_KINDS } from './findings';
import type { CheckName, Finding } from './findings';
import { plural } from './inspection';
import type { Verification } from './inspection';
import { OPEN_KINDS } from './openQuestions';
import type { OpenQuestion } from './openQuestions';
import { outcomeOf, verdictOf } from './outcome';

/** A line of the report: `--` is what was not checked. */
export interface CheckLine {
  readonly check: CheckName;
  readonly mark: 'ok' | 'FAIL' | '--';
  readonly says: string;
}

/** Texts of a bundle are its maker's: nothing in them moves a cursor or turns a line around. */
const tame = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });

/** What became of each check. */
export const describeChecks = ({ findings, questions, sayings }: Verification): CheckLine[] =>
  CHECKS.map((check) => {
    const found = findings.countOf(check);
    if (found > 0) return { check, mark: 'FAIL', says: plural(found, 'finding') };
    const open = questions.filter(({ kind }) => OPEN_KINDS[kind].check === check).length;
    if (open > 0) return { check, mark: '--', says: `not comparable: ${plural(open, 'question')}` };
    const { mark, says } = sayings.get(check) ?? {
      mark: '--',
      says: 'not checked: what it takes is missing or wrong',
    };
    return { check, mark, says: tame(says) };
  });

/** One line: the kind, where it is, and what is wrong. */
export function describeFinding(finding: Finding): string {
  const { kind, file, row, leaf, event, message } = finding;
  const place = [
    file ?? '',
    row === undefined ? '' : `row ${row}`,
    leaf === undefined ? '' : `leaf ${leaf}`,
    event === undefined ? '' : `event ${event}`,
  ].filter((part) => part !== '');
  return tame(`${kind}  ${place.length === 0 ? '' : `${place.join(', ')}: `}${message}`);
}

/** What is worth knowing, in one line. */
export const describeNotice = (notice: string): string => tame(notice);

/** One line: what could not be compared, and what to ask for. */
export const describeQuestion = ({ kind, message, ask }: OpenQuestion): string =>
  tame(`${kind}  ${message}. Ask for ${ask}`);

/** For people: a line for each check, what was found or could not be compared, what is worth knowing, and in the last line what became of it. */
export function describeAsText(verification: Verification): string {
  const { findings, notices, questions } = verification;
  const found = findings.shown().map(describeFinding);
  return layOutReport({
    checks: describeChecks(verification),
    found: [...found, ...questions.map(describeQuestion)],
    total: findings.total + questions.length,
    notices: notices.map(describeNotice),
    verdict: tame(verdictOf(verification)),
  });
}

/** For machines: the same, in one line. */
export function describeAsJson(verification: Verification): string {
  const { findings, notices, manifest, questions, isRepacked } = verification;
  const outcome = outcomeOf(verification);
  const marks = { ok: true, FAIL: false, '--': null };
  return `${JSON.stringify({
    outcome,
    sound: outcome === 'sound',
    repacked: isRepacked,
    checks: describeChecks(verification).map(({ check, mark, says }) => ({
      ...{ check, ok: marks[mark], says },
    })),
    bundle: manifest && {
      ...{ exportId: manifest.exportId, tenant: manifest.tenant, range: manifest.range },
      ...{
        asOf: manifest.asOf,
        bundleFormat: manifest.bundleFormat.number,
        key: manifest.vkey,
        size: manifest.log.size,
      },
      rootHash: manifest.log.root.toString('base64'),
    },
    findingCount: findings.total,
    countByKind: findings.count(),
    findings: findings
      .shown()
      .map((finding) => ({ check: FINDING_KINDS[finding.kind].check, ...finding })),
    questions: questions.map((question) => ({
      ...{ check: OPEN_KINDS[question.kind].check, ...question },
    })),
    notices,
  })}\n`;
}
