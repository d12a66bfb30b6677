import { openBundle, pack, sign } from '@/tests/helpers/evidence/madeUpBundle';
import { believed, soundPlan as plan } from '@/tests/helpers/evidence/soundPlan';
import { change, rowOf } from './changeRows';
import type { Change } from './changeRows';
import { verify } from './verifyFile';

describe('a view', () => {
  const view = 'security-events.csv';
  it.each([
    [
      'a row is left out',
      (rows: string[]) => rows.toSpliced(5, 1),
      /^view_differs security-events.csv row 5 leaf/,
    ],
    [
      'a row is edited',
      (rows: string[]) => rows.with(5, (rows[5] ?? '').replace(',c-', ',d-')),
      /^view_differs security-events.csv row 5 leaf/,
    ],
    [
      'it ends early',
      (rows: string[]) => rows.slice(0, -1),
      /^view_differs security-events.csv leaf/,
    ],
    [
      'a row of another action is put in',
      (rows: string[]) => [...rows, rowOf(25)],
      /^view_differs security-events.csv row \d+ leaf 25/,
    ],
  ])('is found not to show what it should: %s', async (_name, how, expected) => {
    const { found } = await verify(change(view, how, true), believed);
    expect(found).toEqual([expect.stringMatching(expected)]);
  });
});

describe('a table of events', () => {
  const doubleFirst = (row: string) => `${row.slice(0, row.indexOf(',') + 1)}${row}`;
  const doubleLast = (row: string) =>
    row.replace('\r\n', row.startsWith('leaf') ? ',not_after\r\n' : ',\r\n');
  const edit = (row: number, from: string | RegExp, to: string) => (rows: string[]) =>
    rows.with(row, (rows[row] ?? '').replace(from, to));
  /** The rows are those of leaves 40 to 70; see TABLE_EVENTS. */
  it.each<[string, string, (rows: string[]) => string[], string[]]>([
    ['ip-rules', 'a row is left out', (rows) => rows.slice(0, 1), ['leaf 52']],
    ['ip-rules', 'details are edited', edit(1, '0.5', '0.6'), ['row 1 leaf 52']],
    ['ip-rules', 'an apostrophe is missing', edit(1, ",'=1+1", ',=1+1'), ['row 1 leaf 52']],
    ['ip-rules', 'a range is edited', edit(1, ',192.0.2.0/24', ',0.0.0.0/0'), ['row 1 leaf 52']],
    [
      'ip-rules',
      'an expiry is left out',
      edit(1, ',2026-04-01T00:00:00.000Z,', ',,'),
      ['row 1 leaf 52'],
    ],
    ['ip-rules', 'a trial is shown as none', edit(1, ',true,', ',false,'), ['row 1 leaf 52']],
    ['ip-rules', 'another rule is named', edit(1, ',7,', ',8,'), ['row 1 leaf 52']],
    ['ip-rules', 'a row is there twice', (rows) => [...rows, rows[1] ?? ''], ['row 2 leaf 52']],
    [
      'ip-rules',
      'a row has no leaf',
      edit(1, '52', ''),
      [...Array<string>(5).fill('row 1'), 'leaf 52'],
    ],
    ['ip-rules', 'a row has another leaf', edit(1, '52', '53'), ['row 1', 'leaf 52']],
    ['ip-rules', 'a leaf is written in another way', edit(1, '52', '052'), ['row 1', 'leaf 52']],
    [
      'ip-rules',
      'a row of another table is put in',
      (rows) => [...rows, `55${','.repeat((rows[0] ?? '').split(',').length - 1)}\r\n`],
      ['row 2'],
    ],
    ['ip-rules', 'a row has a cell more', edit(1, '\r\n', ',\r\n'), ['row 1', 'leaf 52']],
    ['ip-rules', 'a column is renamed', edit(0, 'actor', 'who'), ['']],
    ['app-events', 'a row is left out', (rows) => rows.slice(0, 1), ['leaf 62']],
    ['app-events', 'a field is edited', edit(1, '1+1', '1+2'), ['row 1 leaf 62']],
    ['app-events', 'another member is put in', edit(1, '-98c4-', '-98c5-'), ['row 1 leaf 62']],
    ['app-events', 'who reported it is edited', edit(1, ',k,', ',j,'), ['row 1 leaf 62']],
    ['sso-connections', 'a change is left out', (rows) => rows.toSpliced(1, 1), ['leaf 67']],
    ['sso-connections', 'a rotation is left out', (rows) => rows.slice(0, -1), ['leaf 70']],
    [
      'sso-connections',
      'another issuer is named',
      edit(1, ',https://acme.okta.example,', ',https://evil.example,'),
      ['row 1 leaf 67'],
    ],
    [
      'sso-connections',
      'the issuer before is left out',
      edit(1, ',https://old.example,', ',,'),
      ['row 1 leaf 67'],
    ],
    ['sso-connections', 'an algorithm is edited', edit(1, ',ES256,', ',RS256,'), ['row 1 leaf 67']],
    [
      'sso-connections',
      'an endpoint is edited',
      edit(1, /(🦊7,.*)example\/t/, '$1evil/t'),
      ['row 1 leaf 67'],
    ],
    ['sso-connections', 'another id is named', edit(1, ',🦊7,', ',🦊8,'), ['row 1 leaf 67']],
    [
      'sso-connections',
      'a change hides the other secret',
      edit(1, ',true,', ',,'),
      ['row 1 leaf 67'],
    ],
    ['sso-connections', 'an overlap is edited', edit(2, ',86400,', ',0,'), ['row 2 leaf 70']],
    ['sso-connections', 'who rotated it is edited', edit(2, 'actor ', 'x '), ['row 2 leaf 70']],
    ['impersonations', 'a time is edited', edit(1, 'T09', 'T08'), ['row 1 leaf 55']],
    ['impersonations', 'who acted is edited', edit(1, 'actor ', 'other '), ['row 1 leaf 55']],
    ['impersonations', 'a reason is edited', edit(1, ",'-why", ",'-because"), ['row 1 leaf 55']],
    ['impersonations', 'a row is left out', (rows) => rows.slice(0, 1), ['leaf 55']],
    ['data-exports', 'an id is edited', edit(1, '🦊1', '🦊2'), ['row 1 leaf 58']],
    ['data-exports', 'a size is edited', edit(1, ',7,', ',8,'), ['row 1 leaf 58']],
    ['data-exports', 'a range is edited', edit(1, '2026-01-01', '2026-01-02'), ['row 1 leaf 58']],
    ['data-exports', 'a row is left out', (rows) => rows.slice(0, 1), ['leaf 58']],
    ['joiners-leavers', 'a row is left out', (rows) => rows.toSpliced(2, 1), ['leaf 46']],
    ['joiners-leavers', 'a leaver has returned', edit(2, 'left', 'returned'), ['row 2 leaf 46']],
    ['joiners-leavers', 'permissions are edited', edit(1, 'A_A', 'A_B'), ['row 1 leaf 40']],
    ['joiners-leavers', 'a removal is left out', (rows) => rows.slice(0, -1), ['leaf 64']],
    ['joiners-leavers', 'the seconds are edited', edit(2, ',0.25', ',0.5'), ['row 2 leaf 46']],
    ['joiners-leavers', 'who asked is edited', edit(4, ',cyd,', ',ann,'), ['row 4 leaf 64']],
    ['joiners-leavers', 'somebody else joined', edit(1, '005a', '005b'), ['row 1 leaf 40']],
    ['permission-changes', 'a change is left out', (rows) => rows.toSpliced(2, 1), ['leaf 43']],
    [
      'permission-changes',
      'what was added is edited',
      edit(2, '[""C_C""]', '[]'),
      ['row 2 leaf 43'],
    ],
    ['permission-changes', 'roles are edited', edit(2, 'owner', 'member'), ['row 2 leaf 43']],
    ['permission-changes', 'who approved it is edited', edit(2, ',bob,', ',,'), ['row 2 leaf 43']],
    ['permission-changes', 'a column is renamed', edit(0, 'approved_by', 'by'), ['']],
    ['permission-changes', 'who did it is edited', edit(2, 'actor ', 'x '), ['row 2 leaf 43']],
    [
      'permission-changes',
      'a recorded change is called unrecorded',
      edit(2, ',recorded,', ',unrecorded,'),
      ['row 2 leaf 43'],
    ],
    ['permission-changes', 'a time window is put in', edit(2, ',\r', 'x,\r'), ['row 2 leaf 43']],
    ['ip-rules', 'a column is there twice', (rows) => rows.map(doubleFirst), ['']],
    ['permission-changes', 'its last column is there twice', (rows) => rows.map(doubleLast), ['']],
  ])('is found not to say what its leaves say: %s, where %s', async (name, _what, how, places) => {
    for (const format of ['csv', 'json'] as const) {
      const { found } = await verify(
        change(`${name}.csv`, how, true, { ...plan, format }),
        believed,
      );
      const expected = places.map((place) => `view_differs ${name}.csv ${place}`.trimEnd());
      expect(found).toEqual(expected);
    }
  });

  const unrecorded = (cells: Record<string, string>) => (rows: string[]) => {
    const header = (rows[0] ?? '').trim().split(',');
    return [...rows, `${header.map((column) => cells[column] ?? '').join(',')}\r\n`];
  };
  it.each([
    ['joiners-leavers', { change: 'left', occurred_at: '2026-03-02T12:00:00.000Z' }],
    ['permission-changes', { change: 'unrecorded', before: '[]', not_before: 'x' }],
  ])('may tell of changes that the log has not, and they are counted: %s', async (name, cells) => {
    const twice: Change = (rows) => unrecorded(cells)(unrecorded(cells)(rows));
    const { found, text } = await verify(change(`${name}.csv`, twice, true), believed);
    expect(found).toEqual([]);
    expect(text).toMatch(new RegExp(`^note: 2 rows of ${name}\\.csv without a leaf`, 'm'));
  });

  it('may show what was in force, without a leaf, and such rows are counted', async () => {
    const shown: Change = unrecorded({ shows: 'in_force', effect: 'allow', range: '::/0' });
    const { found, text } = await verify(change('ip-rules.csv', shown, true), believed);
    expect(found).toEqual([]);
    expect(text).toMatch(/^note: 1 row of ip-rules\.csv without a leaf: what was in force/m);
  });

  it.each([
    ['joiners-leavers', 'name who did it', { change: 'left', actor: 'x' }],
    ['permission-changes', 'name who did it', { change: 'unrecorded', actor: 'x' }],
    ['permission-changes', 'name a time', { change: 'unrecorded', occurred_at: 'x' }],
    ['permission-changes', 'be called recorded', { change: 'recorded' }],
    ['permission-changes', 'be called nothing', {}],
    ['ip-rules', 'name who did it', { shows: 'in_force', actor: 'x' }],
    ['ip-rules', 'name a time', { shows: 'in_force', occurred_at: 'x' }],
    ['ip-rules', 'tell of a change', { shows: 'created' }],
    ['sso-connections', 'name who did it', { shows: 'connection', actor: 'x' }],
    ['sso-connections', 'name a time', { shows: 'connection', occurred_at: 'x' }],
    ['sso-connections', 'tell of a change', { shows: 'changed' }],
    ['app-events', 'be there', {}],
  ])('may not have a row without a leaf in %s that would %s', async (name, _what, cells) => {
    const { found } = await verify(change(`${name}.csv`, unrecorded(cells), true), believed);
    expect(found).toEqual([
      expect.stringMatching(new RegExp(`^view_differs ${name}.csv row \\d$`)),
    ]);
  });

  it('may lack the columns of a newer release, and then has no row without a leaf', async () => {
    const older: Change = (rows) => rows.map((row) => row.replace(/(?:,[^,"]*){3}\r\n$/, '\r\n'));
    const verifyRows = (how: Change) =>
      verify(change('permission-changes.csv', how, true), believed);
    expect((await verifyRows(older)).found).toEqual([]);
    const { found } = await verifyRows((rows) => unrecorded({})(older(rows)));
    expect(found).toEqual([expect.stringMatching(/^view_differs permission-changes.csv row \d$/)]);
  });

  it('is measured all the same where it is no CSV', async () => {
    const broken = change('ip-rules.csv', (rows) => [...rows, '52,"\r\n'], true);
    const { found } = await verify(broken, believed);
    expect(found).toEqual(['view_differs ip-rules.csv row 2', 'file_rows ip-rules.csv']);
  });
});

describe('leaves.txt and leaves.json', () => {
  const lines = 'leaves.txt';
  const editLines = (how: (text: string) => string) => {
    const bundle = openBundle(plan);
    bundle.files.set(lines, Buffer.from(how(bundle.files.get(lines)?.toString() ?? '')));
    return pack(sign(bundle));
  };

  it('are named where they are not in their form', async () => {
    const cut = await verify(
      editLines((text) => text.slice(45)),
      believed,
    );
    expect(cut.found).toEqual(['leaves_malformed leaves.txt']);
    // The last two bits of a line belong to no hash, so the same hash could be written in another
    // way.
    const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
    const other = await verify(
      editLines(
        (text) =>
          text.slice(0, 42) + (last[last.indexOf(text[42] ?? '') + 1] ?? '') + text.slice(43),
      ),
      believed,
    );
    expect(other.found).toEqual(['leaves_malformed leaves.txt row 1 leaf 15']);
    const bad = await verify(
      editLines((text) => `!${text.slice(1)}`),
      believed,
    );
    expect(bad.found).toEqual(['leaves_malformed leaves.txt row 1 leaf 15']);
  });

  it('cannot name another hash: the root would be another', async () => {
    const other = await verify(
      editLines((text) => text.slice(45, 90) + text.slice(45)),
      believed,
    );
    expect(other.found.sort()).toEqual([
      'event_changed audit-log-edges.csv row 1 leaf 15',
      'tree_root leaves.txt',
    ]);
  });

  it('cannot name other hashes beside the stretch', async () => {
    const bundle = openBundle(plan);
    const json = JSON.parse(bundle.files.get('leaves.json')?.toString() ?? '') as {
      before: string[];
    };
    const [first] = json.before;
    const put = (before: (string | undefined)[]) => {
      bundle.files.set('leaves.json', Buffer.from(JSON.stringify({ ...json, before })));
      return verify(pack(sign(bundle)), believed);
    };
    expect((await put([first])).found).toEqual(['leaves_malformed leaves.json']);
    expect((await put(json.before.toReversed())).found).toEqual(['tree_root leaves.txt']);
  });
});
