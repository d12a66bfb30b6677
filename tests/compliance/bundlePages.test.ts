import { writeReadme } from '@/server/compliance/bundleReadme';
import { listControls, writeControls } from '@/server/compliance/controls';
import { writeSummary } from '@/server/compliance/summaryPage';
import { parseCsv } from '@/tests/helpers/evidence/parseCsv';

type Subject = Parameters<typeof writeSummary>[0];

const subject = (from: string, to: string) =>
  ({
    tenant: { id: 'the-id', slug: 'the-slug', name: `<a href="x">'&'</a>` },
    input: { from, to, format: 'csv' },
  }) as Subject;

const file = (name: string, description = '') => ({
  ...{ name, description, bytes: 1, sha256: '', rows: 7, population: null },
});

describe('summary.html', () => {
  const weeksOf = (page: string) =>
    [...page.matchAll(/<tr><th>(\d{4}-\d\d-\d\d)<\/th>/g)].map(([, week]) => week);

  it.each([
    ['2025-01-06', '2025-01-06', ['2025-01-06']],
    ['2025-01-05', '2025-01-06', ['2024-12-30', '2025-01-06']],
    ['2024-12-29', '2024-12-30', ['2024-12-23', '2024-12-30']],
    ['2024-02-29', '2024-03-10', ['2024-02-26', '2024-03-04']],
    ['2026-12-31', '2027-01-11', ['2026-12-28', '2027-01-04', '2027-01-11']],
  ])('has the weeks of %s to %s by their Mondays', (from, to, weeks) => {
    expect(weeksOf(writeSummary(subject(from, to), [], []))).toEqual(weeks);
  });

  it('has each number in its week and under its name, in the table and the chart', () => {
    const counts = [
      { week: '2024-12-30', counted: 'blocks' as const, events: 3 },
      { week: '2025-01-06', counted: 'blocks' as const, events: 4 },
      { week: '2025-01-06', counted: 'signIns' as const, events: 1000 },
    ];
    const page = writeSummary(subject('2025-01-01', '2025-01-08'), counts, []);
    const row = (week: string, ...cells: number[]) =>
      `<tr><th>${week}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
    expect(page).toContain(row('2024-12-30', 0, 0, 0, 3, 0) + row('2025-01-06', 1000, 0, 0, 4, 0));
    expect(page).toContain('<h2>Sign-ins blocked for their risk score: 7</h2>');
    expect(page).toContain('<title>week of 2024-12-30: 3</title>');
    expect(page).toContain('to the week of 2025-01-06; at most 4 in one week');
  });

  it('shows what each file answers, and every text as text', () => {
    const files = [file('audit-log.csv', `"<&'>`), file('audit-log-edges.csv')];
    const page = writeSummary(subject('2025-01-01', '2025-01-01'), [], files);
    const escaped = '&quot;&lt;&amp;&#39;&gt;';
    expect(page).toContain(
      `<tr><th>audit-log.csv</th><td>7</td><td>CC7.2, CC7.3</td><td>${escaped}</td></tr>`,
    );
    expect(page).toContain('<tr><th>audit-log-edges.csv</th><td>7</td><td></td><td></td></tr>');
    const name = '&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;';
    expect(page).toContain(`<h1>Evidence of ${name}, 2025-01-01 to 2025-01-01</h1>`);
  });
});

describe('controls.csv', () => {
  it.each([
    ['csv' as const, 'audit-log.csv'],
    ['json' as const, 'audit-log.jsonl'],
  ])('names files as they are in %s, and leaves no cell empty', (format, log) => {
    const [, ...rows] = parseCsv(writeControls(listControls(format)));
    expect(rows.map(([, , name]) => name)).toContain(log);
    expect(rows.filter((cells) => cells.length !== 5 || cells.includes(''))).toEqual([]);
  });
});

describe('README.txt', () => {
  it('says whose bundle it is and of which days, in words that nobody but the operator chooses', () => {
    const readme = writeReadme(subject('2025-01-01', '2025-01-31'));
    expect(readme).toContain('Organisation: the-slug (the-id)\n');
    expect(readme).toContain('Range:        2025-01-01 to 2025-01-31, UTC days, both included\n');
    expect(readme).not.toContain('href');
  });
});
