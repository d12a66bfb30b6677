import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { app } from '@/server/app';
import { canonicalJson } from '@/tlog/canonicalJson';
import type { Json } from '@/tlog/canonicalJson';
import { BUNDLE_FORMAT } from '@/server/compliance/bundleFiles';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import { seedOfficer } from '@/tests/helpers/people/officer';
import {
  makeBundle,
  makeKeys,
  openBundle,
  pack,
  sign,
  vkeyOf,
} from '@/tests/helpers/evidence/madeUpBundle';
import { believed, keys, soundPlan as plan } from '@/tests/helpers/evidence/soundPlan';
import { eventTablesOf } from '@/verifier/eventTables';
import { FORMATS, NEWEST_FORMAT } from '@/verifier/formats';
import { verify } from './verifyFile';

const hashOf = (value: unknown) =>
  createHash('sha256')
    .update(canonicalJson(value as Json))
    .digest('hex');

describe('a format of bundles', () => {
  /** Entries may be added but never changed, because archives contain bundles of each format. */
  const PINNED: Record<number, string> = {
    1: 'e2f7ca012374e83b6ff47f975b95cb980fba3d3245187d45983746bdd6f8cca1',
    2: 'e2c0ffafa515b83c308dfa5afc176cb94dd9ad27fbb48b589b3f534e97bd3e2c',
    3: '61aca9127327205190d83e6ffa989cb6c44ec5c6faa2a9dedbc1d91939e4dc6d',
    4: 'cf434fbcbdd32bde4377106881f1e393414dd82596ae356544bbaa1a84367f12',
    5: '78650180d6be7267bd503216f59af51a3f318f34f566781b61ae5c35960ae5d6',
    6: '7bb57318828aefc187c7cc18612e857598a279d6c1d23695319d9df97c700620',
    7: 'd936438849833265109f987a8487144dafe9c5f5bd3abb85572d745f3e8d2f7d',
    8: '38f23654d6348550499e74794bc33dec975ea2abeb3870d70e2c819b301b3514',
  };

  it('is fixed once it was released: a change of its files, actions or stretch is a new format', () => {
    const hashes = Object.fromEntries(FORMATS.map((format) => [format.number, hashOf(format)]));
    expect(hashes).toEqual(PINNED);
    expect(FORMATS.map(({ number }) => number)).toEqual(FORMATS.map((_, index) => index + 1));
  });

  const FIRST = '9863c9cd44e6dfd0ad8e29490e50614531b7422d16b469cd440828beabce6e1a';
  it.each([
    [1, FIRST],
    [2, FIRST],
    [3, 'df4551ae254d3b80975a40ac887583687d1a82f5a666d33eb3e382b6b6ab825a'],
    [4, 'df4551ae254d3b80975a40ac887583687d1a82f5a666d33eb3e382b6b6ab825a'],
    [5, '349b219e17b8039e7079896b8e263295a2fc74ab8c1544970aea8b95443263eb'],
    [6, 'aa8349122933d1ce4f4bf1699129da4a81e4fc222d5a945dd4d30cbb0aa54adb'],
    [7, '29af2da2e928a01f37ef77125d473ea5a650dd548cd45c9e7c03d43ff9088b74'],
    [8, 'd328331ff0eb1e407f15ed10c3ffbeaccbd98cc3d10ecabc386e36a44fb1a184'],
  ])('fixes the tables of events too: format %i', (format, hash) => {
    const tables = eventTablesOf(format).map(({ name, actions }) => ({
      name,
      actions: [...actions],
    }));
    expect(hashOf(tables)).toBe(hash);
  });

  it.each(['csv', 'json'])('is the newest in what the server writes: %s', async (format) => {
    const officer = await seedOfficer();
    const range = { from: utcToday(), to: utcToday(), format };
    const { manifest } = await downloadEvidence(app, officer, range);
    const newest = FORMATS[NEWEST_FORMAT - 1];
    expect([BUNDLE_FORMAT, manifest.bundleFormat]).toEqual([NEWEST_FORMAT, NEWEST_FORMAT]);
    const ext = format === 'csv' ? 'csv' : 'jsonl';
    expect(manifest.files.map(({ name }) => name)).toEqual(
      newest?.files.map((name) => name.replace('{log}', ext)),
    );
    const views = manifest.files.flatMap(({ name, actions }) =>
      actions ? [[name.replace(`.${ext}`, ''), [actions]]] : [],
    );
    expect(Object.fromEntries(views)).toEqual(newest?.views);
    const told = manifest.files.flatMap(({ name, population }) => {
      const [, list] = /action is one of ([A-Z_, ]+)(?:;|$)/.exec(population?.filter ?? '') ?? [];
      return list && population?.firstLeaf !== undefined ? [[name, list.split(', ')] as const] : [];
    });
    const actions = new Map(told);
    const named = eventTablesOf(NEWEST_FORMAT).filter(({ prefix }) => prefix === undefined);
    for (const { name, actions: own } of named.slice(1)) {
      expect([name, actions.get(`${name}.csv`)]).toEqual([name, [...own]]);
    }
  });

  const folder = join(__dirname, 'fixtures');
  const stored = FORMATS.flatMap(({ number }) =>
    ['csv', 'jsonl'].map((ext) => [number, ext] as const),
  );
  it.each(stored)('keeps a stored bundle of it sound: format %i, %s', async (number, ext) => {
    const read = (name: string) => readFileSync(join(folder, `format-${number}.${name}`));
    const { outcome, found, text } = await verify(read(`${ext}.zip`), {
      keys: [read('vkey').toString()],
      earlier: [read('checkpoint.txt')],
    });
    expect(found).toEqual([]);
    expect(outcome).toBe('sound');
    const rules = number === NEWEST_FORMAT ? '' : ` by the rules of format ${number}`;
    expect(text).toMatch(new RegExp(`The bundle is sound${rules}, and signed by a key`));
  });
});

describe('an exporter with the key', () => {
  const files = [...openBundle(plan).files.keys()];

  it.each(files)('cannot leave a file out of the manifest: %s', async (name) => {
    const bundle = openBundle(plan);
    bundle.files.delete(name);
    const { found } = await verify(pack(sign(bundle)), believed);
    expect(found).toContain(`file_required ${name}`);
  });

  it('cannot bring a file in that no bundle of the format has', async () => {
    const bundle = openBundle(plan);
    bundle.files.set('findings.csv', Buffer.from('id\r\n'));
    const { found } = await verify(pack(sign(bundle)), believed);
    expect(found).toEqual(['file_unknown findings.csv']);
  });

  const view = 'security-events.csv';
  const without = (action: string) => (file: Record<string, Json>) =>
    file['name'] === view
      ? { ...file, actions: (file['actions'] as string[]).filter((one) => one !== action) }
      : file;

  it('cannot leave an action out of a view, neither in the manifest nor with its rows', async () => {
    const bundle = openBundle(plan);
    const inManifest = await verify(
      pack(sign(bundle, keys, without('SESSION_INVALIDATED'))),
      believed,
    );
    expect(inManifest.found).toEqual([`view_actions ${view}`]);
    const rows = bundle.files.get(view)?.toString() ?? '';
    bundle.files.set(view, Buffer.from(rows.replace(/^.*,STEP_UP_VERIFIED,[^]*?c-18,.*\r\n/m, '')));
    const withRows = await verify(pack(sign(bundle, keys, without('STEP_UP_VERIFIED'))), believed);
    expect(withRows.found).toEqual([
      `view_actions ${view}`,
      expect.stringMatching(/^view_differs security-events.csv/),
    ]);
  });

  it('cannot say that a view is none', async () => {
    const signed = sign(openBundle(plan), keys, (file) => {
      const rest = { ...file };
      delete rest['actions'];
      return rest;
    });
    expect((await verify(pack(signed), believed)).found).toEqual([`view_actions ${view}`]);
  });

  it('cannot make a view of another file', async () => {
    const signed = sign(openBundle(plan), keys, (file) =>
      file['name'] === 'sessions.csv' ? { ...file, actions: ['AUTH_LOGOUT'] } : file,
    );
    expect((await verify(pack(signed), believed)).found).toEqual(['view_actions sessions.csv']);
  });
});

describe('a bundle of a format that the verifier does not know', () => {
  const newer = (more: object) => {
    const bundle = openBundle(plan);
    return sign({ ...bundle, manifest: { ...bundle.manifest, ...more } });
  };

  it.each([
    ['a newer format', { bundleFormat: NEWEST_FORMAT + 1 }],
    ['a newer manifest', { version: 3 }],
    ['a manifest in which nothing else is as it is today', { version: 3, key: 7, files: {} }],
  ])('is not comparable, and asks for a newer verifier: %s', async (_name, more) => {
    const { found, open, outcome, text } = await verify(pack(newer(more)), believed);
    expect(found).toEqual([]);
    expect(open).toEqual(['format_newer']);
    expect(outcome).toBe('not_comparable');
    expect(text).toMatch(/NOT COMPARABLE: use a newer verifier\.\n$/);
  });

  it('is still held to its signature and to the key', async () => {
    const files = newer({ bundleFormat: NEWEST_FORMAT + 1 });
    const { found } = await verify(pack(files), { keys: [vkeyOf(makeKeys())] });
    expect(found).toEqual(['key_foreign manifest.sig']);
    const edit = (name: string) =>
      files.set(name, Buffer.from(String(files.get(name)).replace('"acme"', '"evil"')));
    edit('manifest.json');
    edit('manifest.sig');
    expect((await verify(pack(files), believed)).found).toContain('signature_wrong manifest.sig');
  });
});

describe('a bundle of an older format', () => {
  const old = makeBundle({ ...plan, bundleFormat: 1 });

  it('is not comparable if a newer one was asked for', async () => {
    const { open, outcome } = await verify(old, { ...believed, leastFormat: 2 });
    expect(open).toEqual(['format_older']);
    expect(outcome).toBe('not_comparable');
    expect((await verify(makeBundle(plan), { ...believed, leastFormat: 2 })).outcome).toBe('sound');
  });
});
