import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { app } from '@/server/app';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { closeLater } from '@/tests/helpers/server/closing';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import type { Evidence } from '@/tests/helpers/evidence/evidenceBundle';
import { HOSTILE_TEXTS } from '@/tests/helpers/evidence/madeUpBundle';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { REPOSITORY } from '@/tests/helpers/server/serverProcess';

/** A folder that contains only the verifier and the files to verify. */
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-auditor-'));
closeLater(() => Promise.resolve(rmSync(folder, { recursive: true, force: true })));
copyFileSync(join(REPOSITORY, 'dist', 'verifier', 'verify.mjs'), join(folder, 'verify.mjs'));

async function run(...words: string[]) {
  const child = spawn(process.execPath, ['verify.mjs', ...words], {
    cwd: folder,
    env: {},
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...said };
}

// Postgres cannot store NUL. The remaining texts are all possible ones.
const texts = HOSTILE_TEXTS.filter((text) => text !== '');
let earlier: Evidence;
let csv: Evidence;
let json: Evidence;

beforeAll(async () => {
  const officer = await seedOfficer();
  const events = texts.map((text) => ({
    ...{ actor: text, subject: text, userAgent: text },
    details: { text, list: [1, 0.5, { b: text, aa: null }] },
  }));
  await writeEvents(officer.tenantId, events);
  const range = { from: utcToday(), to: utcToday() };
  earlier = await downloadEvidence(app, officer, { ...range, format: 'csv' });
  csv = await downloadEvidence(app, officer, { ...range, format: 'csv' });
  json = await downloadEvidence(app, officer, { ...range, format: 'json' });
  writeFileSync(join(folder, 'earlier.zip'), earlier.zip);
  writeFileSync(join(folder, 'csv.zip'), csv.zip);
  writeFileSync(join(folder, 'json.zip'), json.zip);
  writeFileSync(join(folder, 'checkpoint.txt'), csv.text('checkpoint.txt'));
  const [from, to] = [csv.manifest.log.size, json.manifest.log.size];
  const path = `/api/compliance/consistency?from=${from}&to=${to}`;
  writeFileSync(join(folder, 'proof.json'), (await as(app, officer).get(path)).text);
  const flipped = Buffer.from(csv.zip);
  // The first bit of the packed data tells whether more blocks follow.
  const at = flipped.indexOf('audit-log.csv') + 'audit-log.csv'.length;
  flipped[at] = (flipped[at] ?? 0) ^ 1;
  writeFileSync(join(folder, 'flipped.zip'), flipped);
});

describe('node verify.mjs', () => {
  it('finds a bundle sound that the server has written, with its key and an earlier bundle: exit 0', async () => {
    const { code, stdout, stderr } = await run(
      ...['csv.zip', '--key', csv.manifest.key, '--checkpoint', 'earlier.zip'],
    );
    expect(stderr).toBe('');
    expect(
      stdout
        .split('\n')
        .slice(0, 13)
        .map((line) => line.slice(0, 18).trimEnd()),
    ).toEqual([
      'ok    zip',
      'ok    manifest',
      'ok    signature',
      'ok    key',
      'ok    files',
      'ok    events',
      'ok    tree',
      'ok    range',
      'ok    times',
      'ok    views',
      'ok    checkpoint',
      'ok    consistency',
      'ok    earlier',
    ]);
    expect(stdout).toMatch(/The bundle is sound, and signed by a key that you gave\.\n$/);
    expect(code).toBe(0);
  });

  it('says the same as JSON, of a bundle in JSON lines and a checkpoint in a file', async () => {
    const { code, stdout } = await run(
      ...['json.zip', '--json', '--key', json.manifest.key, '--checkpoint', 'checkpoint.txt'],
    );
    const said = JSON.parse(stdout) as { sound: boolean; checks: { ok: boolean | null }[] };
    expect(said).toMatchObject({ outcome: 'sound', sound: true, findingCount: 0, questions: [] });
    expect(said.checks.map(({ ok }) => ok)).toEqual(Array(13).fill(true));
    expect(code).toBe(0);
  });

  it('says that nobody vouched for the key where none is given, and nothing of sound: exit 3', async () => {
    const { code, stdout } = await run('csv.zip', '--checkpoint', 'earlier.zip');
    expect(stdout).toMatch(/The bundle is consistent, but nobody vouched for the key: [^\n]+\n$/);
    expect(stdout).not.toMatch(/sound/);
    expect(code).toBe(3);
  });

  it('asks for a proof where the checkpoint is newer than the bundle: exit 4, and 0 with what the server answers', async () => {
    const words = ['csv.zip', '--key', csv.manifest.key, '--checkpoint', 'json.zip'];
    const { code, stdout } = await run(...words);
    expect(stdout).toMatch(/NOT COMPARABLE .*\/api\/compliance\/consistency\?from=\d+&to=\d+.*\n$/);
    expect(code).toBe(4);
    const proven = await run(...words, '--consistency', 'proof.json');
    expect(proven.stdout).toMatch(
      /^ok {4}earlier {6}1 checkpoint of the same history; no leaf is missing/m,
    );
    expect(proven.code).toBe(0);
  });

  it('names the file in which a byte was flipped: exit 1', async () => {
    const { code, stdout } = await run('flipped.zip', '--key', csv.manifest.key);
    expect(stdout).toMatch(/^zip_damaged {2}audit-log\.csv: /m);
    expect(stdout).toMatch(/The bundle is NOT sound: \d+ findings?\.\n$/);
    expect(code).toBe(1);
  });

  it.each([
    ['no file', [], /One FILE must be given/],
    ['two files', ['csv.zip', 'json.zip'], /^One FILE must be given\.\n/],
    [
      'a file that is not there',
      ['none.zip'],
      /^none\.zip cannot be read: there is no such file\.\n$/,
    ],
    [
      'a file in a file',
      ['csv.zip', '--checkpoint', 'csv.zip/x'],
      /^csv\.zip\/x cannot be read: there is no such file\.\n$/,
    ],
    [
      'a folder as a key',
      ['csv.zip', '--key', '.'],
      /^--key: \. cannot be read: it is a folder\.\n$/,
    ],
    ['a key that is none', ['csv.zip', '--key', 'verify.mjs'], /neither a file with Ed25519 keys/],
    [
      'a checkpoint that is none',
      ['csv.zip', '--checkpoint', 'verify.mjs'],
      /contains neither checkpoints/,
    ],
    [
      'a proof that is none',
      ['csv.zip', '--consistency', 'verify.mjs'],
      /is not a proof of consistency/,
    ],
    [
      'an unknown option',
      ['csv.zip', '--chekpoint', 'x'],
      /^There is no option --chekpoint\. Did you mean --checkpoint\?\n/,
    ],
    [
      'an unknown short option',
      ['csv.zip', '-k', 'x'],
      /^There is no option -k\. Did you mean --key\?\n/,
    ],
    ['an option without its value', ['csv.zip', '--key'], /^--key needs a value\.\n/],
    ['a value too many', ['csv.zip', '--json=1'], /^--json takes no value\.\n/],
  ])('cannot say where it is given %s: exit 2', async (_name, words, message) => {
    const { code, stdout, stderr } = await run(...words);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });
});
