import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { ZipArchive } from 'archiver';
import { parseKeys } from '@/tlog/believedKeys';
import { closeLater } from '@/tests/helpers/server/closing';
import { checkpointOf, openBundle, pack, sign } from '@/tests/helpers/evidence/madeUpBundle';
import type { RawFile, RawZip } from '@/tests/helpers/evidence/rawZip';
import { believed, soundPlan as plan } from '@/tests/helpers/evidence/soundPlan';
import { openBundle as openPath, openFile } from '@/verifier/nodeSource';
import { FORMATS } from '@/verifier/formats';
import { outcomeOf } from '@/verifier/outcome';
import { describeAsJson, describeAsText } from '@/verifier/bundleReport';
import { verifyBundle } from '@/verifier/verifyBundle';
import { fileOf, verify } from './verifyFile';

const files = sign(openBundle(plan));
/** Every file of the newest format, the manifest and its signature. */
const COUNT = (FORMATS.at(-1)?.files.length ?? 0) + 2;
const REPACKED = new RegExp(
  `^ok {4}zip {10}repacked; the contents are the signed ones: ${COUNT} files$`,
  'm',
);

/**
 * Extended timestamps and owners, as Info-ZIP writes them. They are longer in the local header than
 * in the directory.
 */
const infoZip = {
  localExtra: Buffer.from(`55540900030000000000000000${'75780b000104e803000004e8030000'}`, 'hex'),
  extra: Buffer.from(`555405000300000000${'75780b000104e803000004e8030000'}`, 'hex'),
  ...{ madeBy: 0x031e, attributes: 0x81a40000, flags: 0 },
};
const each = (more: Partial<RawFile>) => (all: RawFile[]) =>
  all.map((file) => ({ ...file, ...more }));
const within = (folder: string) => (all: RawFile[]) =>
  all.map((file) => ({ ...file, name: `${folder}/${file.name}` }));
const folderEntry = (name: string): RawFile => ({
  ...{ name, content: Buffer.alloc(0), method: 0, flags: 0, attributes: 0x41ed0010 },
});
const crcAndSizes = (file: RawFile, isWide: boolean): Buffer => {
  const whole = pack(new Map([[file.name, file.content]]));
  const at = whole.indexOf('PK\x07\x08', 0, 'latin1');
  const [crc, packed, size] = [4, 8, 12].map((offset) =>
    whole.subarray(at + offset, at + offset + 4),
  );
  const zeros = Buffer.alloc(isWide ? 4 : 0);
  return Buffer.concat([crc, packed, zeros, size, zeros].map((part) => part ?? zeros));
};

describe('a bundle that another program has packed again', () => {
  it.each<{ how: string; change: (all: RawFile[]) => RawFile[]; options?: RawZip }>([
    { how: 'with fields and rights of its own', change: each(infoZip) },
    { how: 'at another level', change: each({ level: 9, flags: 2 }) },
    {
      how: 'without compression',
      change: each({ method: 0, flags: 0, madeBy: 20, attributes: 0x20 }),
    },
    {
      how: 'without sizes after the contents',
      change: each({ flags: 0, attributes: 0, madeBy: 0 }),
    },
    { how: 'in another order', change: (all) => all.toReversed() },
    {
      how: 'with comments',
      change: each({ comment: 'x' }),
      options: { comment: 'packed again' },
    },
    { how: 'in a folder', change: within('evidence') },
    {
      how: 'in a folder with an entry of its own',
      change: (all) => [folderEntry('evidence/'), ...within('evidence')(all)],
    },
    {
      how: 'with descriptors without a signature',
      change: (all) => all.map((file) => ({ ...file, descriptor: crcAndSizes(file, false) })),
    },
    {
      how: 'with descriptors of 64 bits',
      change: (all) => all.map((file) => ({ ...file, descriptor: crcAndSizes(file, true) })),
    },
    { how: 'as ZIP64', change: each({ attributes: 0x81b40000 }), options: { zip64: true } },
  ])('is checked all the same, and the report says so: $how', async ({ change, options }) => {
    const { found, outcome, text, verification } = await verify(
      pack(files, change, options),
      believed,
    );
    expect(found).toEqual([]);
    expect(outcome).toBe('sound');
    expect(text).toMatch(REPACKED);
    expect(JSON.parse(describeAsJson(verification))).toMatchObject({ sound: true, repacked: true });
  });

  it('is checked all the same where archiver has packed it in its own way', async () => {
    const archive = new ZipArchive({ zlib: { level: 6 }, comment: 'again' });
    for (const [name, content] of files)
      archive.append(content, { name: `evidence/${name}`, mode: 0o600 });
    const [zip] = await Promise.all([buffer(archive), archive.finalize()]);
    const { outcome, text } = await verify(zip, believed);
    expect(outcome).toBe('sound');
    expect(text).toMatch(REPACKED);
  });

  it('is not said to be repacked where Gatehouse has packed it', async () => {
    const { text } = await verify(pack(files), believed);
    expect(text).toMatch(new RegExp(`^ok {4}zip {10}${COUNT} files one after the other`, 'm'));
    expect(text).not.toMatch(/repacked/);
  });

  it('may have what an operating system adds, which is named and not looked at', async () => {
    const more = ['__MACOSX/._README.txt', 'b/.DS_Store', 'b/Thumbs.db'];
    const zip = pack(files, (all) => [
      ...within('b')(all),
      folderEntry('__MACOSX/'),
      ...more.map((name) => ({ name, content: Buffer.from('x') })),
    ]);
    const { outcome, text } = await verify(zip, believed);
    expect(outcome).toBe('sound');
    expect(text).toMatch(/note: The operating system added files, .*__MACOSX\/\._README\.txt/);
  });

  it('may not have a file more, nor other contents', async () => {
    const extra = pack(files, (all) => [
      ...within('b')(all),
      { name: 'b/x.csv', content: Buffer.from('x') },
    ]);
    const { found, text } = await verify(extra, believed);
    expect(found).toEqual(['file_extra x.csv']);
    expect(text).not.toMatch(/contents are those/);
    const edited = pack(files, (all) =>
      each(infoZip)(all).map((file) =>
        file.name === 'sessions.csv' ? { ...file, content: Buffer.from('id\r\n') } : file,
      ),
    );
    expect((await verify(edited, believed)).found).toContain('file_changed sessions.csv');
  });

  it('can be an earlier bundle to compare with', async () => {
    const earlier = sign(openBundle({ ...plan, events: plan.events.slice(0, 60) }));
    const given = { ...believed, earlier: [pack(earlier, within('old'))] };
    expect((await verify(pack(files), given)).outcome).toBe('sound');
  });
});

describe('a bundle that was unpacked into a folder', () => {
  const root = mkdtempSync(join(tmpdir(), 'gatehouse-unpacked-'));
  closeLater(() => Promise.resolve(rmSync(root, { recursive: true, force: true })));
  let folders = 0;

  function unpackTo(contents: ReadonlyMap<string, Buffer>): string {
    const path = join(root, String((folders += 1)));
    mkdirSync(path);
    for (const [name, content] of contents) writeFileSync(join(path, name), content);
    return path;
  }

  async function verifyPath(path: string) {
    const source = await openPath(path);
    const earlier = [await openFile(fileOf(checkpointOf(plan, 60)))];
    const options = { keys: parseKeys(believed.keys.join()), earlier, limit: 20 };
    const verification = await verifyBundle(source, options);
    await Promise.all([source, ...earlier].map((one) => one.close()));
    const found = verification.findings.shown().map(({ kind, file }) => `${kind} ${file ?? ''}`);
    return { found, outcome: outcomeOf(verification), text: describeAsText(verification) };
  }

  it('is checked all the same, and the report says so', async () => {
    const { outcome, text } = await verifyPath(unpackTo(files));
    expect(outcome).toBe('sound');
    expect(text).toMatch(REPACKED);
  });

  it('may lie beside other files, which the report names as no part of it', async () => {
    const path = unpackTo(
      new Map([...files, ['notes.txt', Buffer.from('mine')], ['.DS_Store', Buffer.from('x')]]),
    );
    mkdirSync(join(path, 'more'));
    const { outcome, text } = await verifyPath(path);
    expect(outcome).toBe('sound');
    expect(text).toMatch(
      /note: Files in the folder that do not belong to the bundle.*: (more, notes\.txt|notes\.txt, more)\./,
    );
  });

  it('may lie in one folder more, as programs that unpack put around it', async () => {
    const path = unpackTo(new Map([['.DS_Store', Buffer.from('x')]]));
    renameSync(unpackTo(files), join(path, 'evidence'));
    mkdirSync(join(path, '__MACOSX'));
    const { outcome, text } = await verifyPath(path);
    expect(outcome).toBe('sound');
    expect(text).toMatch(REPACKED);
  });

  it.each([
    ['two folders', (path: string) => mkdirSync(join(path, 'more'))],
    ['a folder and a file', (path: string) => writeFileSync(join(path, 'notes.txt'), 'mine')],
    [
      'a link to a folder',
      (path: string) => {
        const target = join(root, `${(folders += 1)}`);
        renameSync(join(path, 'evidence'), target);
        symlinkSync(target, join(path, 'evidence'));
      },
    ],
  ])('is not looked for in %s', async (_what, change) => {
    const path = unpackTo(new Map());
    renameSync(unpackTo(files), join(path, 'evidence'));
    change(path);
    expect((await verifyPath(path)).found).toContain('manifest_missing ');
  });

  it('is held to every hash and leaf', async () => {
    const changed = new Map(files);
    changed.set('sessions.csv', Buffer.from('id\r\n'));
    changed.delete('summary.html');
    const { found, outcome, text } = await verifyPath(unpackTo(changed));
    expect(found).toEqual([
      'file_missing summary.html',
      'file_changed sessions.csv',
      'file_rows sessions.csv',
    ]);
    expect(outcome).toBe('not_sound');
    expect(text).not.toMatch(/contents are those/);
  });

  it('has no file that is a link', async () => {
    const path = unpackTo(new Map([...files].filter(([name]) => name !== 'sessions.csv')));
    const target = fileOf(files.get('sessions.csv') ?? '');
    symlinkSync(target, join(path, 'sessions.csv'));
    expect((await verifyPath(path)).found).toEqual(['file_missing sessions.csv']);
  });

  it('is no bundle without a manifest', async () => {
    expect((await verifyPath(unpackTo(new Map()))).found).toContain('manifest_missing ');
  });
});
