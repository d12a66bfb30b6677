import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { listen } from '@/tests/helpers/http/listen';
import { seedPair } from '@/tests/helpers/people/impersonators';
import { REPOSITORY } from '@/tests/helpers/server/serverProcess';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { IMPERSONATION_REFUSALS } from '@/server/impersonationRefusals';

const clock = createMovableClock();
const { app } = buildApp({}, { clock });
const page = readFileSync(join(REPOSITORY, 'docs/impersonation.md'), 'utf8');

it('docs/impersonation.md: somebody acts as a member and stops with curl', async () => {
  const { actor, subject } = await seedPair();
  const code = codeAt(await giveFactor(actor), clock.now());
  const blocks = [...page.matchAll(/```sh\n([^]*?)```/g)].map(([, block = '']) => block);
  const script = blocks.join('echo\n').replaceAll('CODE=123456', `CODE=${code}`);
  const { stdout } = await promisify(execFile)('bash', ['-c', script], {
    env: {
      ...{ PATH: process.env['PATH'], URL: await listen(app) },
      ...{ ACCESS: actor.token, STAFF: subject.staffId },
    },
  });
  const [seen = '', stopped = ''] = stdout.trim().split('\n').filter(Boolean);
  expect(JSON.parse(seen)).toMatchObject({
    staffId: subject.staffId,
    impersonation: { actor: { staffId: actor.staffId } },
  });
  expect(JSON.parse(stopped)).toMatchObject({
    opened: [{ route: 'GET /api/auth/me', times: 1 }],
    refused: [],
  });
});

it('docs/impersonation.md names every refusal, and no other', () => {
  const [, section = ''] = /## What is refused\n([^]*?)\n## /.exec(page) ?? [];
  const told = [...section.matchAll(/^\| `(\w+)` +\| \w/gm)].map(([, refusal]) => refusal);
  expect(told.filter((refusal) => refusal !== 'refusal')).toEqual([...IMPERSONATION_REFUSALS]);
});
