import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { app } from '@/server/app';
import { listControls } from '@/server/compliance/controls';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import { seedOfficer } from '@/tests/helpers/people/officer';

const paper = readFileSync(join(__dirname, '..', '..', 'docs', 'evidence.md'), 'utf8');
const run = promisify(execFile);

/** Unpacks a bundle of a few events into a folder of its own. */
async function unpack(format: 'csv' | 'json') {
  const officer = await seedOfficer();
  const events = Array.from({ length: 11 }, () => ({
    actor: 'Zoë "✓" \u2028',
    details: { b: [1, { d: 'x', c: null }], a: -0.5 },
  }));
  await writeEvents(officer.tenantId, events);
  const range = { from: utcToday(), to: utcToday() };
  const evidence = await downloadEvidence(app, officer, { ...range, format });
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-evidence-'));
  for (const [name, content] of evidence.files) writeFileSync(join(folder, name), content);
  return { folder, evidence };
}

it('the README of a bundle: its commands verify signature and hashes with a shell and openssl', async () => {
  const { folder, evidence } = await unpack('csv');
  const readme = evidence.text('README.txt');
  const commands = [
    ...readme.slice(readme.indexOf('With your own tools')).matchAll(/^ {4}(.*)$/gm),
  ].map(([, command]) => command);
  const script = `openssl version\n${commands.join('\n')}`;
  const { stdout } = await run('bash', ['-c', script], {
    cwd: folder,
    env: { PATH: process.env['PATH'] },
  });
  const [version, key, ...lines] = stdout.trimEnd().split('\n');
  expect(key).toBe(evidence.manifest.key);
  // LibreSSL does not verify Ed25519 this way.
  if (version?.startsWith('OpenSSL 3'))
    expect(lines.shift()).toBe('Signature Verified Successfully');
  expect(lines.shift()).toBe('The signed text is the manifest');
  expect(lines).toEqual(evidence.manifest.files.map(({ name }) => `${name}: OK`));
});

it('docs/evidence.md: its program leads from the events to the signed head, and not from others', async () => {
  const { folder } = await unpack('json');
  const program = /```js\n([^]*?)```/.exec(paper)?.[1] ?? '';
  writeFileSync(join(folder, 'root.mjs'), program);
  const roots = async () =>
    (await run(process.execPath, ['root.mjs'], { cwd: folder })).stdout.trimEnd().split('\n');
  const [computed, signed] = await roots();
  expect(computed).toMatch(/^\d+ [A-Za-z0-9+/]{43}=$/);
  expect(computed).toBe(signed);
  const log = join(folder, 'audit-log.jsonl');
  writeFileSync(log, readFileSync(log, 'utf8').replace('Zoë', 'Zoe'));
  const [other, same] = await roots();
  expect(same).toBe(signed);
  expect(other).not.toBe(signed);
});

it('docs/evidence.md names for each criterion the files that controls.csv does, in the same order', () => {
  const rows = [
    ...paper.slice(paper.indexOf('## By criterion')).matchAll(/^\| (CC\d\.\d) +\| (.+?) +\|$/gm),
  ];
  const documented = rows.map(([, criterion, files = '']) => [
    criterion,
    [...files.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name.replace(/\.\w+$/, '')),
  ]);
  const real = new Map<string, string[]>();
  for (const { criterion, file } of listControls('csv')) {
    real.set(criterion, [...(real.get(criterion) ?? []), file.replace(/\.\w+$/, '')]);
  }
  expect(documented).toEqual([...real]);
});
