/** A line of a report; `--` marks a check that was not made. */
interface ReportLine {
  readonly check: string;
  readonly mark: 'ok' | 'FAIL' | '--';
  readonly says: string;
}

/**
 * Lays out a report for people: a line for each check, then the findings, the notices, and the verdict in the last
 * line.
 * @param report `found` has the findings that are shown, a line each; `total` counts all of them
 */
export function layOutReport(report: {
  readonly checks: readonly ReportLine[];
  readonly found: readonly string[];
  readonly total: number;
  readonly notices: readonly string[];
  readonly verdict: string;
}): string {
  const { checks, found, total, notices, verdict } = report;
  const lines = checks.map(
    ({ check, mark, says }) => `${mark.padEnd(5)} ${check.padEnd(12)} ${says}`,
  );
  if (found.length > 0) lines.push('', ...found);
  const more = total - found.length;
  if (more > 0) lines.push(`… and ${more} more (--limit)`);
  if (notices.length > 0) lines.push('', ...notices.map((notice) => `note: ${notice}`));
  return `${[...lines, '', verdict].join('\n')}\n`;
}
