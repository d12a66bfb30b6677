import {
  makeBundle,
  makeKeys,
  openBundle,
  pack,
  sign,
} from '@/tests/helpers/evidence/madeUpBundle';
import type { BundlePlan } from '@/tests/helpers/evidence/madeUpBundle';
import { believed, events, keys, soundPlan } from '@/tests/helpers/evidence/soundPlan';
import { verify } from './verifyFile';

const plan: BundlePlan = { ...soundPlan, earlier: [120, 60] };
type Files = Map<string, Buffer>;

/** Changes a signed bundle without the key. */
function forge(change: (files: Files) => void): Buffer {
  const files = sign(openBundle(plan));
  change(files);
  return pack(files);
}

const edit = (files: Files, name: string, how: (text: string) => string) =>
  void files.set(name, Buffer.from(how(files.get(name)?.toString() ?? '')));

describe('a bundle that somebody without the key has changed', () => {
  const other = sign(openBundle({ ...plan, range: { from: '2026-03-03', to: '2026-03-03' } }));
  it.each<[string, (files: Files) => void, string[]]>([
    ['no manifest', (files) => files.delete('manifest.json'), ['manifest_missing']],
    ['no signature', (files) => files.delete('manifest.sig'), ['signature_missing']],
    [
      'an empty signature',
      (files) => files.set('manifest.sig', Buffer.alloc(0)),
      ['signature_missing manifest.sig'],
    ],
    [
      'a signature that is none',
      (files) => edit(files, 'manifest.sig', () => 'x'),
      ['signature_malformed manifest.sig'],
    ],
    [
      'the signature of another manifest',
      (files) => files.set('manifest.sig', other.get('manifest.sig') ?? Buffer.alloc(0)),
      ['signature_malformed manifest.sig'],
    ],
    [
      'another manifest in both',
      (files) => {
        edit(files, 'manifest.json', (text) => text.replace('"slug":"acme"', '"slug":"evil"'));
        edit(files, 'manifest.sig', (text) => text.replace('"slug":"acme"', '"slug":"evil"'));
      },
      ['signature_wrong manifest.sig', 'key_foreign manifest.sig'],
    ],
    [
      'a manifest in another form',
      (files) => edit(files, 'manifest.json', (text) => text.replace(':', ': ')),
      ['manifest_malformed manifest.json'],
    ],
    [
      'a manifest with a line break',
      (files) => edit(files, 'manifest.json', (text) => `${text}\n`),
      ['manifest_malformed manifest.json'],
    ],
    ['a file missing', (files) => files.delete('sessions.csv'), ['file_missing sessions.csv']],
    [
      'no edges',
      (files) => files.delete('audit-log-edges.csv'),
      ['file_missing audit-log-edges.csv', 'events_unread'],
    ],
    [
      'a file more',
      (files) => {
        const [json, sig] = ['manifest.json', 'manifest.sig'].map((name) => files.get(name));
        files.delete('manifest.json');
        files.delete('manifest.sig');
        files.set('notes.txt', Buffer.from('trust me'));
        files.set('manifest.json', json ?? Buffer.alloc(0));
        files.set('manifest.sig', sig ?? Buffer.alloc(0));
      },
      ['file_extra notes.txt'],
    ],
    [
      'a table changed',
      (files) => edit(files, 'sessions.csv', (text) => text.replace('2,', '3,')),
      ['file_changed sessions.csv'],
    ],
    [
      'a row more in a table',
      (files) => edit(files, 'sessions.csv', (text) => `${text}3,\r\n`),
      ['file_changed sessions.csv', 'file_rows sessions.csv'],
    ],
    [
      'a file of another bundle',
      (files) =>
        files.set(
          'checkpoint.txt',
          sign(openBundle({ ...plan, events: events.slice(0, 126) })).get('checkpoint.txt') ??
            Buffer.alloc(0),
        ),
      ['checkpoint_differs checkpoint.txt', 'file_changed checkpoint.txt'],
    ],
  ])('is found: %s', async (_name, change, expected) => {
    const { found, text } = await verify(forge(change), believed);
    expect(found).toEqual(expected);
    expect(text).toMatch(/NOT sound/);
  });

  it('is found where the log of another export is put in', async () => {
    const { found } = await verify(
      forge((files) => files.set('audit-log.csv', other.get('audit-log.csv') ?? Buffer.alloc(0))),
      { ...believed, limit: 10 },
    );
    expect(found).toEqual(
      expect.arrayContaining(['file_changed audit-log.csv', 'event_missing leaf 16']),
    );
  });
});

describe('a bundle of another key', () => {
  const stranger = makeKeys();
  it('is consistent in itself, and found as soon as the key is given', async () => {
    const forged = makeBundle({ ...plan, keys: stranger });
    expect((await verify(forged)).outcome).toBe('unvouched');
    const { found } = await verify(forged, believed);
    expect(found.slice(0, 2)).toEqual([
      'key_foreign manifest.sig',
      'checkpoint_signature checkpoint.txt',
    ]);
  });

  it('is found where its checkpoint is the true one', async () => {
    const bundle = openBundle(plan);
    const { found } = await verify(pack(sign(bundle, stranger)), believed);
    expect(found).toEqual(['key_foreign manifest.sig']);
    expect((await verify(pack(sign(bundle, stranger)))).found).toContain(
      'checkpoint_signature checkpoint.txt',
    );
  });
});

describe('a manifest that contradicts itself', () => {
  it.each([
    ['an older version', { version: 1 }, /version 1/],
    ['a format that never was', { bundleFormat: 0 }, /bundleFormat should be/],
    ['a format in words', { bundleFormat: '2' }, /bundleFormat should be/],
    ['another bundle', { bundle: 'other' }, /bundle should be/],
    ['no such day', { range: { from: '2026-02-30', to: '2026-03-02' } }, /range/],
    [
      'a range that ends before it begins',
      { range: { from: '2026-03-03', to: '2026-03-02' } },
      /range/,
    ],
    [
      'a log of somebody else',
      { tenant: { id: '01900000-0000-7000-8000-00000000000b', slug: 'b', name: 'B' } },
      /key should be/,
    ],
  ])('is named: %s', async (_name, more, message) => {
    const bundle = openBundle(plan);
    const { found, text } = await verify(
      pack(sign({ ...bundle, manifest: { ...bundle.manifest, ...more } })),
      believed,
    );
    expect(found).toEqual(['manifest_malformed manifest.json']);
    expect(text).toMatch(message);
  });

  it('is named where it says other leaves of a file than it has', async () => {
    const signed = sign(openBundle(plan), keys, (file) =>
      file['name'] === 'audit-log.csv'
        ? { ...file, population: { firstLeaf: 1, lastLeaf: 2 } }
        : file,
    );
    expect((await verify(pack(signed), believed)).found).toEqual(['file_rows audit-log.csv']);
  });

  it('is named where it does not name what every bundle has', async () => {
    const bundle = openBundle(plan);
    bundle.files.delete('consistency.json');
    const { found } = await verify(pack(sign(bundle)), believed);
    expect(found).toEqual(['file_required consistency.json']);
  });
});

describe('what a finding says', () => {
  it('moves no cursor, turns no line around', async () => {
    const bundle = openBundle(plan);
    const tenant = { ...(bundle.manifest['tenant'] as object), slug: 'a\u001b[2J\u202Eb' };
    const { text } = await verify(
      pack(sign({ ...bundle, manifest: { ...bundle.manifest, tenant } })),
    );
    expect(text).toContain('a\\u{1b}[2J\\u{202e}b');
    expect(text).not.toMatch(/[\u001b\u202e]/);
  });
});
