import { layOutReport } from '../tlog/reportText';
import { CHECKS, FINDING_KINDS } from './bundleFindings';
import type { CheckName, Finding } from './bundleFindings';
import { plural } from './inspection';
import type { Verification } from './inspection';
import { OPEN_KINDS } from './openQuestions';
import type { OpenQuestion } from './openQuestions';
import { outcomeOf, verdictOf } from './outcome';

/** A line of the report; `--` means that it was not checked. */
export interface CheckLine {
  readonly check: CheckName;
  readonly mark: 'ok' | 'FAIL' | '--';
  readonly says: string;
}

/**
 * Escapes control characters. The maker of a bundle chooses its texts, and must not be able to move
 * the cursor or reverse a line.
 */
const tame = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });

/** Returns the result of each check. */
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

/** Returns one line: the kind, the place, and what is wrong. */
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

/** Returns a notice as one line. */
export const describeNotice = (notice: string): string => tame(notice);

/** Returns one line: what could not be compared, and what to ask for. */
export const describeQuestion = ({ kind, message, ask }: OpenQuestion): string =>
  tame(`${kind}  ${message}. Ask for ${ask}`);

/**
 * Returns the report for people: a line for each check, then the findings and the open questions,
 * then the notices, and the verdict in the last line.
 */
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

/** Returns the report for programs: the same content as one line of JSON. */
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
