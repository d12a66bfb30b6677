import Sequencer from '@jest/test-sequencer';

/**
 * What takes long, in the order to begin it. Those that compute a lot take turns with those that mostly wait, so that
 * the one worker leaves its core to the other. A file that is not named here comes after them.
 */
const LONGEST = [
  'workflows/deploy',
  'browser/reload',
  'scripts/schema/check',
  'browser/demoPage',
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

/** A fresh checkout does not know how long its test files take, and their size says little: a long one might come last. */
export default class LongestFirst extends Sequencer {
  async sort(tests) {
    return [...(await super.sort(tests))].sort((a, b) => placeOf(a) - placeOf(b));
  }
}
