import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkFiles } from '../../../scripts/schema/checkFiles';
import { readFolder } from '../../../scripts/schema/folder';
import {
  MIGRATIONS,
  newestTag,
  numbered,
  readMigrations,
} from '../../helpers/database/migrationsFolder';

interface JournalEntry {
  idx: number;
  when: number;
  tag: string;
}

const COUNT = readMigrations().length;
const snapshot = (ahead: number) => `meta/${numbered(ahead, 'snapshot')}.json`;

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gatehouse-folder-'));
  cpSync(MIGRATIONS, join(root, 'migrations'), { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true }));

const path = (file: string) => join(root, 'migrations', file);
const read = (file: string) => readFileSync(path(file), 'utf8');

function editJournal(edit: (entries: JournalEntry[]) => unknown): void {
  const journal = JSON.parse(read('meta/_journal.json')) as { entries: JournalEntry[] };
  edit(journal.entries);
  writeFileSync(path('meta/_journal.json'), JSON.stringify(journal));
}

/** Adds one more migration, as a developer's branch would. */
function add(entry: Partial<JournalEntry> & { tag: string }, prevId?: string): void {
  editJournal((entries) => {
    const last = entries[entries.length - 1];
    if (!last) throw new Error('there is no migration');
    const number = (idx: number) => String(idx).padStart(4, '0');
    const next = { ...last, idx: last.idx + 1, when: last.when + 1000, ...entry };
    const before = JSON.parse(read(`meta/${number(last.idx)}_snapshot.json`)) as { id: string };
    const id = `id-of-${next.tag}`;
    const made = { ...before, id, prevId: prevId ?? before.id };
    writeFileSync(path(`meta/${number(next.idx)}_snapshot.json`), JSON.stringify(made));
    writeFileSync(path(`${next.tag}.sql`), 'SELECT 1;');
    entries.push(next);
  });
}

/** Returns the findings, except those about the pins, which a migration made by hand lacks. */
const found = () => checkFiles(readFolder(root)).filter(({ code }) => code !== 'UNRECORDED');
const codes = () => found().map(({ code }) => code);

describe('the migrations folder', () => {
  it('of this release is in order', () => {
    expect(checkFiles(readFolder(root))).toStrictEqual([]);
  });

  it('may grow by a migration that follows the last', () => {
    add({ tag: numbered(0, 'next') });
    expect(found()).toStrictEqual([]);
    expect(checkFiles(readFolder(root))).toMatchObject([
      { code: 'UNRECORDED', object: numbered(0, 'next'), fix: 'npm run schema -- record' },
    ]);
  });

  it('names a journal entry without its file', () => {
    rmSync(path('0003_settle_duplicate_token_hashes.sql'));
    expect(found()).toMatchObject([
      { code: 'FILE_MISSING', object: '0003_settle_duplicate_token_hashes' },
    ]);
    expect(found()[0]?.fix).toContain('git checkout -- migrations/0003_settle');
  });

  it('names a file without its journal entry, and a snapshot without its migration', () => {
    writeFileSync(path(`${numbered(2, 'stray')}.sql`), 'SELECT 1;');
    writeFileSync(path(snapshot(2)), '{}');
    expect(found()).toMatchObject([
      { code: 'FILE_UNKNOWN', object: `migrations/${numbered(2, 'stray')}.sql` },
      { code: 'FILE_UNKNOWN', object: `migrations/${snapshot(2)}` },
    ]);
  });

  it('names a snapshot that is missing or broken', () => {
    rmSync(path('meta/0002_snapshot.json'));
    expect(codes()).toEqual(expect.arrayContaining(['FILE_MISSING']));
    writeFileSync(path('meta/0002_snapshot.json'), 'not JSON');
    expect(codes()).toEqual(expect.arrayContaining(['CHAIN_BROKEN']));
  });

  it('names a file that was edited after it was recorded, and a snapshot, and a time', () => {
    writeFileSync(path('0004_refresh_tokens_token_hash_unique.sql'), 'SELECT 1;');
    writeFileSync(path('meta/0005_snapshot.json'), `${read('meta/0005_snapshot.json')} `);
    editJournal((entries) => (entries[COUNT - 1] as JournalEntry).when++);
    expect(checkFiles(readFolder(root)).map(({ code, object }) => [code, object])).toStrictEqual([
      ['UNRECORDED', '0004_refresh_tokens_token_hash_unique'],
      ['UNRECORDED', '0005_known_devices_by_user'],
      ['UNRECORDED', newestTag()],
    ]);
  });

  it('names a migration that is gone though it was recorded', () => {
    editJournal((entries) => entries.pop());
    rmSync(path(`${newestTag()}.sql`));
    rmSync(path(snapshot(-1)));
    expect(found()).toMatchObject([{ code: 'EDITED', object: newestTag() }]);
  });

  it.each([
    ['number', { tag: numbered(0, 'theirs') }, { tag: numbered(0, 'ours'), idx: COUNT }],
    ['name', { tag: numbered(0, 'next') }, { tag: numbered(0, 'next'), idx: COUNT + 1 }],
  ])('names two with one %s', (what, theirs, ours) => {
    add(theirs);
    add(ours);
    const double = found().find(({ code }) => code === 'DOUBLED');
    expect(double?.message).toBe(
      `${theirs.tag} and ${ours.tag} have the same ${what}: one of them would be skipped silently.`,
    );
  });

  it('names two with one time', () => {
    const when = Date.now();
    add({ tag: numbered(0, 'theirs'), when });
    add({ tag: numbered(1, 'ours'), when });
    expect(found()).toMatchObject([{ code: 'DOUBLED', object: numbered(1, 'ours') }]);
    expect(found()[0]?.message).toContain('have the same time');
  });

  it('names a second file of one number that the journal does not know', () => {
    writeFileSync(path(`${numbered(-1, 'mine')}.sql`), 'SELECT 1;');
    const [double] = found();
    expect(double).toMatchObject({
      code: 'DOUBLED',
      object: `migrations/${numbered(-1, 'mine')}.sql`,
    });
    expect(double?.message).toContain(newestTag());
  });

  it('names one that was merged late, with a time before the last', () => {
    add({ tag: numbered(0, 'late'), when: (readMigrations()[2]?.when ?? 0) + 1 });
    expect(found()).toMatchObject([{ code: 'OUT_OF_ORDER', object: numbered(0, 'late') }]);
    expect(found()[0]?.message).toContain('skipped silently');
  });

  it('names one whose time lies days ahead, after which all would be late', () => {
    add({ tag: numbered(0, 'ahead'), when: Date.now() + 3 * 86_400_000 });
    expect(codes()).toStrictEqual(['OUT_OF_ORDER']);
  });

  it('names one that leaves a number out', () => {
    add({ tag: numbered(2, 'gap'), idx: COUNT + 2 });
    expect(codes()).toStrictEqual(['OUT_OF_ORDER']);
  });

  it('names one that was made from an earlier state: two branches of one parent', () => {
    const parent = JSON.parse(read(snapshot(-2))) as { id: string };
    add({ tag: numbered(0, 'theirs') }, parent.id);
    expect(found()).toMatchObject([{ code: 'CHAIN_BROKEN', object: numbered(0, 'theirs') }]);
  });

  it.each([
    numbered(0, 'With_Capitals'),
    `${COUNT}_short`,
    numbered(0, '').replace('_', ''),
    numbered(0, 'trailing_'),
    numbered(0, 'quick_wolverine'),
    '20251105_dated',
  ])('does not take %s for a name', (tag) => {
    add({ tag });
    expect(codes()).toStrictEqual(['BADLY_NAMED']);
  });

  it('says each time what to do', () => {
    writeFileSync(path(`${numbered(2, 'stray')}.sql`), 'SELECT 1;');
    add({ tag: numbered(0, 'Bad'), when: 5 });
    for (const { fix } of found()) expect(fix).toMatch(/npm run schema -- |git checkout/);
  });
});
