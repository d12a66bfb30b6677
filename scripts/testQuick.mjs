// A quick run for the inner loop of development: types, lint, and the tests of the contracts and of
// security. It caches results for unchanged files in node_modules/.cache, so that the second run is
// quicker. `npm test` caches nothing and runs everything.
import { runSteps } from './runSteps.mjs';

const CACHE = 'node_modules/.cache/gatehouse';
const TESTS = [
  'auth/accessTokens',
  'auth/login.anomaly-nonfatal',
  'auth/loginEnumeration',
  'auth/refreshReuse',
  'auth/session.force-logout',
  'compliance/soc2-export-bundle.smoke',
  'http/contract',
  'http/cookies',
  'http/hostileInput',
  'security/stepUp/stepUpActs',
  'security/stepUp/stepUpGuard',
].map((name) => `tests/${name}.test.ts`);

await runSteps([
  {
    name: 'lint',
    command: 'npx',
    args: `eslint --cache --cache-location ${CACHE}/eslint .`.split(' '),
  },
  {
    name: 'types',
    command: 'npm',
    args: ['run', '--silent', 'check:types'],
  },
  {
    name: 'tests',
    command: 'npm',
    args: ['run', '--silent', 'jest', '--', '--maxWorkers=2', ...TESTS],
  },
]);
