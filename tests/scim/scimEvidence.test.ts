import { parseCsv } from '@/tests/helpers/evidence/parseCsv';
import { readZip } from '@/tests/helpers/evidence/readZip';
import { ADMINISTERS, provision, seedDirectory } from '@/tests/helpers/people/directory';
import { MAY_ALL, as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();

it('the bundle shows who joined and left by a directory, and the seconds from each request to its effect', async () => {
  const directory = await seedDirectory(app);
  const { tenantId } = directory.admin;
  const permissions = [...MAY_ALL, ...ADMINISTERS];
  const officer = await seedTestUserAndToken({ tenantId, permissions });
  const left = await provision(directory);
  const disabled = await provision(directory);
  await directory.calls.patch(disabled.id, { op: 'replace', value: { active: false } }).expect(200);
  await directory.calls.del(left.id).expect(204);

  const today = new Date().toISOString().slice(0, 10);
  const range = { from: today, to: today, format: 'csv' };
  const res = await as(app, officer).post('/api/compliance/export/bundle', range);
  expect(res.status).toBe(200);
  const files = await readZip(res.body as Buffer);
  const [header = [], ...rows] = parseCsv(String(files.get('joiners-leavers.csv')));
  const told = rows
    .map((cells) => Object.fromEntries(header.map((name, index) => [name, cells[index]])))
    .filter((row) => [left.id, disabled.id].includes(row['staff_id'] ?? ''));
  expect(told.filter((row) => row['change'] === 'unrecorded')).toEqual([]);
  expect(told.length).toBeGreaterThanOrEqual(4);
  for (const row of told) {
    expect(row).toMatchObject({ seconds_to_effect: expect.stringMatching(/^\d/) });
  }
});
