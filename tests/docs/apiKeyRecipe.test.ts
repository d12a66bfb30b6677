import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { listen } from '@/tests/helpers/http/listen';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { withKey } from '@/tests/helpers/people/programs';
import { REPOSITORY } from '@/tests/helpers/server/serverProcess';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';

const clock = createMovableClock();
const { app } = buildApp({}, { clock });
const page = readFileSync(join(REPOSITORY, 'docs/api-keys.md'), 'utf8');
const recipe = /### With curl\n([^]*?)\n## /.exec(page)?.[1] ?? '';
const blocks = [...recipe.matchAll(/```sh\n([^]*?)```/g)].map(([, block = '']) => block);

it('docs/api-keys.md: a key is created, used, rotated, narrowed, revoked and found with curl', async () => {
  const admin = await seedAdministrator();
  const secret = await giveFactor(admin);
  let step = -1;
  const code = () => `CODE=${codeAt(secret, clock.now(), step++)}`;
  const script = blocks.join('echo\n').replaceAll('CODE=123456', code);
  const { stdout } = await promisify(execFile)('bash', ['-c', `${script}\necho "\n$NEXT"`], {
    env: { PATH: process.env['PATH'], URL: await listen(app), ACCESS: admin.token },
  });
  const [used, rotated, narrowed, found, next = ''] = stdout.trim().split('\n');
  for (const list of [used, rotated]) expect(JSON.parse(list ?? '')).toHaveProperty('staff');
  expect(JSON.parse(narrowed ?? '')).toMatchObject({ addresses: ['192.0.2.0/24'] });
  const { events } = JSON.parse(found ?? '') as { events: { action: string }[] };
  expect(events.map(({ action }) => action)).toEqual([
    'API_KEY_REVOKED',
    'API_KEY_CHANGED',
    'API_KEY_ROTATED',
    'API_KEY_CREATED',
  ]);
  expect((await withKey(app, next).get('/api/tenants/staff')).status).toBe(401);
});
