/** A line of a report: `--` is what was not checked. */
interface ReportLine {
  readonly check: string;
  readonly mark: 'ok' | 'FAIL' | '--';
  readonly says: string;
}

/**
 * A report for people: a line for each check, what was found, what is worth knowing, and in the last line the verdict.
 * @param found what is shown of the findings, a line each; `total` counts them all
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
