import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { listen } from '@/tests/helpers/http/listen';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { REPOSITORY } from '@/tests/helpers/server/serverProcess';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';

const clock = createMovableClock();
/** Nobody stands in front of this node, so it knows the address of curl. */
const { app } = buildApp({ trustProxy: false }, { clock });
const page = readFileSync(join(REPOSITORY, 'docs/ip-rules.md'), 'utf8');
const recipe = /### With curl\n([^]*?)\n## /.exec(page)?.[1] ?? '';
const blocks = [...recipe.matchAll(/```sh\n([^]*?)```/g)].map(([, block = '']) => block);

it('docs/ip-rules.md: a rule is simulated, tried out and kept, and another one removed, with curl', async () => {
  const officer = await seedOfficer();
  const secret = await giveFactor(officer);
  const script = blocks.join('').replace('CODE=123456', `CODE=${codeAt(secret, clock.now())}`);
  const { stdout } = await promisify(execFile)('bash', ['-c', script], {
    env: { PATH: process.env['PATH'], URL: await listen(app), ACCESS: officer.token },
  });
  const [elsewherePasses, note, left] = stdout.trim().split('\n');
  expect({ elsewherePasses, note, left }).toEqual({
    ...{ elsewherePasses: 'false', note: 'Here', left: '1' },
  });
});
