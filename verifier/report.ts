import { layOutReport } from '../server/audit/verify/reportText';
import { CHECKS, FINDING_KINDS } from './findings';
import type { CheckName, Finding } from './findings';
import type { Verification } from './inspection';

/** A line of the report: `--` is what was not checked. */
export interface CheckLine {
  readonly check: CheckName;
  readonly mark: 'ok' | 'FAIL' | '--';
  readonly says: string;
}

const count = (findings: number): string => (findings === 1 ? '1 finding' : `${findings} findings`);

/** Texts of a bundle are its maker's: nothing in them moves a cursor or turns a line around. */
const tame = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });

/** What became of each check. */
export const describeChecks = ({ findings, sayings }: Verification): CheckLine[] =>
  CHECKS.map((check) => {
    const found = findings.countOf(check);
    if (found > 0) return { check, mark: 'FAIL', says: count(found) };
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

/** The last line. */
export const verdictOf = ({ findings }: Verification): string =>
  findings.total === 0
    ? 'The bundle is sound.'
    : `The bundle is NOT sound: ${count(findings.total)}.`;

/** For people: a line for each check, what was found, what is worth knowing, and in the last line whether the bundle is sound. */
export function describeAsText(verification: Verification): string {
  const { findings, notices } = verification;
  return layOutReport({
    checks: describeChecks(verification),
    found: findings.shown().map(describeFinding),
    total: findings.total,
    notices: notices.map(describeNotice),
    verdict: verdictOf(verification),
  });
}

/** For machines: the same, in one line. */
export function describeAsJson(verification: Verification): string {
  const { findings, notices, manifest } = verification;
  const marks = { ok: true, FAIL: false, '--': null };
  return `${JSON.stringify({
    sound: findings.total === 0,
    checks: describeChecks(verification).map(({ check, mark, says }) => ({
      ...{ check, ok: marks[mark], says },
    })),
    bundle: manifest && {
      ...{ exportId: manifest.exportId, tenant: manifest.tenant, range: manifest.range },
      ...{ asOf: manifest.asOf, key: manifest.vkey, size: manifest.log.size },
      rootHash: manifest.log.root.toString('base64'),
    },
    findingCount: findings.total,
    countByKind: findings.count(),
    findings: findings
      .shown()
      .map((finding) => ({ check: FINDING_KINDS[finding.kind].check, ...finding })),
    notices,
  })}\n`;
}
