import Sequencer from '@jest/test-sequencer';

/**
 * The slowest test files, in the order in which to start them. Files that mostly compute alternate
 * with files that mostly wait, so that two workers do not need the cores at the same time. All other
 * files come after them.
 */
const LONGEST = [
  // Counts what runs among all code that its worker has loaded, which grows from file to file.
  'docs/codePaths',
  'workflows/deploy',
  'browser/reload',
  'scripts/schema/check',
  'browser/demoPage',
  'http/generatedClients',
  'keys/keyRotation',
  'bootstrap/process',
  'keys/keyChecks',
  'compliance/unrecordedChanges',
  'schema/migrations/migrations',
  'security/stepUp/totpCodes',
  'scripts/schema/rehearse',
  'security/stepUp/passkeyForgeries',
  'audit/log/sealingCrashes',
  'schema/catalogue/catalogue',
  'compliance/deadExports',
  'audit/verify/healthy',
  'bootstrap/nodeClocks',
  'auth/hashPlaces',
  'audit/delivery/deliverWebhook',
  'security/risk/scorerDeadline',
  'verifier/hostileZip',
  'audit/delivery/deliverProcess',
  'cli/dbGrant',
  'compliance/exportFailures',
  'browser/verifyPage',
  'audit/delivery/feedProcess',
  'auth/lockoutWeapon',
  'audit/delivery/deliverFile',
  'docs/readme',
].map((name) => `/tests/${name}.test.ts`);

const placeOf = ({ path }) => {
  const place = LONGEST.findIndex((name) => path.endsWith(name));
  return place < 0 ? LONGEST.length : place;
};

/**
 * Starts the slowest files first. A fresh checkout has no durations of earlier runs, and the size of
 * a file says little, so a slow one might start last.
 */
export default class LongestFirst extends Sequencer {
  async sort(tests) {
    return [...(await super.sort(tests))].sort((a, b) => placeOf(a) - placeOf(b));
  }
}
