import { jsonRow, openBundle, pack, sign } from '@/tests/helpers/evidence/madeUpBundle';
import type { BundlePlan } from '@/tests/helpers/evidence/madeUpBundle';
import { believed, events, soundPlan as plan } from '@/tests/helpers/evidence/soundPlan';
import { change, rowOf } from './changeRows';
import type { Change } from './changeRows';
import { verify } from './verifyFile';

const LOG = 'audit-log.csv';

/**
 * Row 1 is leaf 16, and row 2 is leaf 18, because leaf 17 occurred the day before. From row 2 on,
 * row r is leaf r + 16.
 */
const ATTACKS: [string, Change, string[]][] = [
  ['drops a row', (rows) => rows.toSpliced(10, 1), ['event_missing leaf 26']],
  [
    'drops many rows',
    (rows) => rows.toSpliced(10, 30).toSpliced(40, 1),
    ['event_missing leaf 26', 'event_missing leaf 86'],
  ],
  ['drops the first row', (rows) => rows.toSpliced(1, 1), ['event_missing leaf 16']],
  [
    'swaps two rows',
    (rows) => rows.with(10, rows[11] ?? '').with(11, rows[10] ?? ''),
    [`row_order ${LOG} row 10 leaf 27`],
  ],
  [
    'moves a row up',
    (rows) => rows.toSpliced(50, 1).toSpliced(10, 0, rows[50] ?? ''),
    [`row_order ${LOG} row 10 leaf 66`],
  ],
  [
    'moves a row down',
    (rows) => rows.toSpliced(50, 0, rows[10] ?? '').toSpliced(10, 1),
    [`row_order ${LOG} row 49 leaf 26`],
  ],
  [
    'doubles a row',
    (rows) => rows.toSpliced(10, 0, rows[10] ?? ''),
    [`row_doubled ${LOG} row 11 leaf 26`],
  ],
  [
    'doubles a row far away',
    (rows) => [...rows, rows[10] ?? ''],
    [`row_doubled ${LOG} row 97 leaf 26`],
  ],
  [
    'doubles a row ahead of its place',
    (rows) => rows.toSpliced(10, 0, rows[50] ?? ''),
    [`row_doubled ${LOG} row 10 leaf 66`],
  ],
  [
    'edits a row',
    (rows) => rows.with(10, rowOf(26, { actor: 'nobody' })),
    [`event_changed ${LOG} row 10 leaf 26`],
  ],
  [
    'edits the number within details',
    (rows) => rows.with(11, rowOf(27, { details: { b: [1.5, 0.5, 'x'], aa: { z: null } } })),
    [`event_changed ${LOG} row 11 leaf 27`],
  ],
  [
    'makes a null an empty text',
    (rows) => rows.with(10, rowOf(26, { on_behalf_of: '' })),
    [`event_changed ${LOG} row 10 leaf 26`],
  ],
  [
    "puts another event in a row's place",
    (rows) => rows.with(10, rowOf(120)),
    [`row_outside ${LOG} row 10 leaf 120`, 'event_missing leaf 26'],
  ],
  [
    "puts another log's event in a row's place",
    (rows) => rows.with(10, rowOf(26, { id: '01900000-0000-7000-8000-00000000dead' })),
    [`event_changed ${LOG} row 10 leaf 26`],
  ],
  [
    'numbers a leaf anew',
    (rows) => rows.with(10, rowOf(26, { leaf_index: 27 })),
    [
      `row_doubled ${LOG} row 11 leaf 27`,
      'event_missing leaf 26',
      `event_changed ${LOG} row 10 leaf 27`,
    ],
  ],
  [
    'adds a column',
    (rows) => rows.with(10, rowOf(26).replace('\r\n', ',more\r\n')),
    [`row_malformed ${LOG} row 10`, 'event_missing leaf 26'],
  ],
  [
    'takes the apostrophe from before a formula',
    (rows) => rows.with(30, rowOf(46).replace(",'=1+1,", ',=1+1,')),
    [`row_malformed ${LOG} row 30`, 'event_missing leaf 46'],
  ],
  [
    'puts an apostrophe where there should be none',
    (rows) => rows.with(10, rowOf(26).replace(',c-26,', ",'c-26,")),
    [`row_malformed ${LOG} row 10`, 'event_missing leaf 26'],
  ],
  [
    'leaves a quotation mark open',
    (rows) => rows.with(10, rowOf(26).replace(',c-26,', ',"c-26,')),
    [`row_malformed ${LOG} row 10`, 'event_missing leaf 26'],
  ],
  [
    'says a member of details twice',
    (rows) => rows.with(11, rowOf(27).replace('""aa"": ', '""aa"": 1, ""aa"": ')),
    [`row_malformed ${LOG} row 11`, 'event_missing leaf 27'],
  ],
  [
    'writes a number that is rounded',
    (rows) => rows.with(11, rowOf(27).replace('[1, 0.5', '[1.00000000000000000001, 0.5')),
    [`row_malformed ${LOG} row 11`, 'event_missing leaf 27'],
  ],
  [
    'names the columns otherwise',
    (rows) => rows.with(0, (rows[0] ?? '').replace('actor', 'author')),
    [`row_malformed ${LOG}`, `events_unread ${LOG}`],
  ],
];

describe('whoever changes audit-log', () => {
  const expected = (found: string[]) =>
    found.filter((one) => !/^(file_changed|file_rows|view_differs)/.test(one));

  it.each(ATTACKS)('is found where they hold the key too: %s', async (_name, how, rows) => {
    const { found } = await verify(change(LOG, how, true), believed);
    expect(expected(found).sort()).toEqual([...rows].sort());
  });

  it.each(ATTACKS.slice(0, 10))(
    'is found by the hash of the file: %s',
    async (_name, how, rows) => {
      const { found } = await verify(change(LOG, how, false), believed);
      expect(found).toEqual(expect.arrayContaining([...rows, `file_changed ${LOG}`]));
    },
  );

  it('is not hidden by the limit: what is not shown is counted, and every kind is shown', async () => {
    const many: Change = (rows) =>
      rows.toSpliced(10, 1).map((row, at) => (at > 20 ? row.replace(',c-', ',d-') : row));
    const { verification, text } = await verify(change(LOG, many, true), { ...believed, limit: 3 });
    expect(verification.findings.count()).toMatchObject({ event_changed: 75, event_missing: 1 });
    expect(text).toMatch(/event_missing {2}leaf 26/);
    expect(text).toMatch(/… and \d+ more/);
  });
});

describe('whoever changes audit-log in JSON lines', () => {
  const name = 'audit-log.jsonl';
  const json: BundlePlan = { ...plan, format: 'json' };
  const line = (leaf: number, more: object = {}) =>
    jsonRow({ ...(events[leaf] ?? events[0] ?? ({} as never)), ...more });

  it.each([
    ['edits a row', line(26, { actor: 'nobody' }), [`event_changed ${name} row 10 leaf 26`]],
    [
      "puts another tenant's event there",
      line(26, { tenant_id: '01900000-0000-7000-8000-00000000000b' }),
      [`row_malformed ${name} row 10`, 'event_missing leaf 26'],
    ],
    [
      'says a member twice',
      line(26).replace('{', '{"actor":"nobody",'),
      [`row_malformed ${name} row 10`, 'event_missing leaf 26'],
    ],
    [
      'adds a member',
      line(26).replace('}\n', ',"z":1}\n'),
      [`row_malformed ${name} row 10`, 'event_missing leaf 26'],
    ],
    [
      'writes no JSON',
      line(26).replace('{', ''),
      [`row_malformed ${name} row 10`, 'event_missing leaf 26'],
    ],
    ['drops a row', '', ['event_missing leaf 26']],
  ])('is found: %s', async (_name, row, expected) => {
    const changed = change(name, (rows) => rows.with(9, row), true, json);
    const { found } = await verify(changed, believed);
    expect(found.filter((one) => !one.startsWith('view_differs')).sort()).toEqual(expected.sort());
  });
});

describe('whoever holds the key, and the range', () => {
  it('is found where they move an event of the range beside it', async () => {
    const moved = openBundle({
      ...plan,
      isInRange: (event) =>
        event.leaf_index === 40 ||
        event.leaf_index === 17 ||
        (event.occurred_at < '2026-03-02T12' && event.leaf_index > 17) ||
        event.leaf_index === 16,
    });
    const { found } = await verify(pack(sign(moved)), { ...believed, limit: 200 });
    expect(found).toContain('range_outside audit-log.csv row 2 leaf 17');
    expect(found.some((one) => one.startsWith('range_in_edges audit-log-edges.csv'))).toBe(true);
  });

  it.each([
    ['at the beginning', { first: 20 }, 'range_open audit-log.csv row 1 leaf 20'],
    ['at the end', { last: 100 }, 'range_open audit-log.csv row 84 leaf 100'],
  ])('is found where they leave events out %s', async (_name, narrowed, expected) => {
    const { found } = await verify(pack(sign(openBundle({ ...plan, ...narrowed }))), believed);
    expect(found).toEqual([expected]);
  });

  it('is found where an event claims a time that the log had passed, or that was yet to come', async () => {
    const dated = events.map((event) => {
      if (event.leaf_index === 60) return { ...event, occurred_at: '2026-03-02T01:00:00.000Z' };
      if (event.leaf_index !== 61) return event;
      return { ...event, occurred_at: '2026-03-02T23:00:00.000Z' };
    });
    const { found } = await verify(pack(sign(openBundle({ ...plan, events: dated }))), believed);
    expect(found).toEqual([
      'back_dated audit-log.csv row 44 leaf 60',
      'post_dated audit-log.csv row 45 leaf 61',
    ]);
  });
});
