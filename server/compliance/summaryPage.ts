import { DAY_MS } from '../durations';
import { escapeHtml as escape } from '../http/plainPage';
import { listControls } from './controls';
import type { ManifestFile, ManifestSubject } from './bundleManifest';
import type { ExportFormat } from './exportInput';
import type { Counted, WeekCount } from './summaryStore';

const CHARTS: Readonly<Record<Counted, string>> = {
  signIns: 'Sign-ins',
  failedSignIns: 'Failed sign-ins',
  challenges: 'Challenges (requests for a second proof)',
  blocks: 'Sign-ins blocked for their risk score',
  exports: 'Completed exports',
};

const WEEK_MS = 7 * DAY_MS;
const HEIGHT = 120;

const toDay = (ms: number) => new Date(ms).toISOString().slice(0, 10);

/** Returns the Mondays of the weeks of a range of days, in UTC, also of weeks without events. */
function listWeeks({ from, to }: { from: string; to: string }): string[] {
  const first = Date.parse(from);
  const sinceMonday = (new Date(first).getUTCDay() + 6) % 7;
  const weeks: string[] = [];
  for (let at = first - sinceMonday * DAY_MS; at <= Date.parse(to); at += WEEK_MS) {
    weeks.push(toDay(at));
  }
  return weeks;
}

/** Draws bars of inline SVG; each shows its number under the mouse pointer. */
function drawBars(weeks: readonly string[], countOf: (week: string) => number, label: string) {
  const most = Math.max(1, ...weeks.map(countOf));
  const width = Math.max(4, Math.min(28, Math.floor(900 / weeks.length)));
  const bars = weeks.map((week, index) => {
    const count = countOf(week);
    // A count of one must stay visible beside a count of a thousand.
    const height = count === 0 ? 0 : Math.max(2, Math.round((count / most) * HEIGHT));
    const box = `x="${index * width}" y="${HEIGHT - height}" width="${width - 1}" height="${height}"`;
    return `<rect ${box}><title>week of ${week}: ${count}</title></rect>`;
  });
  const size = `width="${weeks.length * width}" height="${HEIGHT}"`;
  return `<svg ${size} role="img" aria-label="${escape(label)} by week">${bars.join('')}</svg>`;
}

function drawChart(weeks: readonly string[], counts: readonly WeekCount[], counted: Counted) {
  const byWeek = new Map(
    counts.filter((one) => one.counted === counted).map(({ week, events }) => [week, events]),
  );
  const countOf = (week: string) => byWeek.get(week) ?? 0;
  const total = weeks.reduce((sum, week) => sum + countOf(week), 0);
  const most = Math.max(0, ...weeks.map(countOf));
  const label = CHARTS[counted];
  const axis = `From the week of ${weeks[0] ?? ''} to the week of ${weeks.at(-1) ?? ''}; at most ${most} in one week`;
  return `<section><h2>${label}: ${total}</h2>${drawBars(weeks, countOf, label)}<p>${axis}</p></section>`;
}

function drawTable(weeks: readonly string[], counts: readonly WeekCount[]): string {
  const found = new Map(counts.map(({ week, counted, events }) => [`${week} ${counted}`, events]));
  const names = Object.keys(CHARTS) as Counted[];
  const head = names.map((name) => `<th>${CHARTS[name]}</th>`).join('');
  const rows = weeks.map((week) => {
    const cells = names.map((name) => `<td>${found.get(`${week} ${name}`) ?? 0}</td>`).join('');
    return `<tr><th>${week}</th>${cells}</tr>`;
  });
  return `<table><thead><tr><th>Week of</th>${head}</tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function listFiles(files: readonly ManifestFile[], format: ExportFormat): string {
  const controls = listControls(format);
  const rows = files.map(({ name, rows: count, description }) => {
    const criteria = new Set(
      controls.filter(({ file }) => file === name).map(({ criterion }) => criterion),
    );
    return `<tr><th>${name}</th><td>${count ?? ''}</td><td>${[...criteria].join(', ')}</td><td>${escape(description)}</td></tr>`;
  });
  return `<table><thead><tr><th>File</th><th>Rows</th><th>Criteria</th><th>Content</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.1rem;margin:1.5rem 0 .3rem}svg{display:block;max-width:100%;border-bottom:1px solid #777}
rect{fill:#24548f}p{margin:.3rem 0;color:#444}table{border-collapse:collapse;margin:.5rem 0;font-size:.9rem}
th,td{border:1px solid #ccc;padding:.2rem .5rem;text-align:left;vertical-align:top}tbody th{white-space:nowrap}`;

/**
 * Writes summary.html: the range at a glance. The page loads nothing and runs nothing, and every text in it is
 * escaped.
 */
export function writeSummary(
  { tenant, input }: ManifestSubject,
  counts: readonly WeekCount[],
  files: readonly ManifestFile[],
): string {
  const weeks = listWeeks(input);
  const charts = (Object.keys(CHARTS) as Counted[]).map((counted) =>
    drawChart(weeks, counts, counted),
  );
  const title = `Evidence of ${escape(tenant.name)}, ${input.from} to ${input.to}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${title}</h1>
<p>The range includes both days, in UTC. Weeks begin on Monday; the first and the last week count only days of the range. All numbers are counts of rows of audit-log. controls.csv names the files that answer each criterion, and what to look for in them. README.txt explains how to check this bundle.</p>
${charts.join('\n')}
<h2>The same numbers as a table</h2>
${drawTable(weeks, counts)}
<h2>Files</h2>
${listFiles(files, input.format)}
</body>
</html>
`;
}
