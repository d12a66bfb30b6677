import { openBundle, pack, sign } from '@/tests/helpers/madeUpBundle';
import { believed, change, plan, rowOf } from './changeRows';
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
    // The last two bits of a line are of no hash: another way to write the same one.
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
