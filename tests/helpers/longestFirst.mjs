import Sequencer from '@jest/test-sequencer';

/**
 * What takes long, in the order to begin it. Those that compute a lot take turns with those that mostly wait, so that
 * the one worker leaves its core to the other. A file that is not named here comes after them.
 */
const LONGEST = [
  'workflows/deploy',
  'browser/reload',
  'bootstrap/schema/check',
  'browser/demo',
  'bootstrap/keyRotation',
  'bootstrap/process',
  'tenants/isolation',
  'bootstrap/keyChecks',
  'compliance/unrecordedChanges',
  'bootstrap/migrations',
  'security/totpCodes',
  'bootstrap/schema/rehearse',
  'security/passkeyForgeries',
  'audit/log/sealingCrashes',
  'bootstrap/catalogue',
  'compliance/deadExports',
  'audit/verifyLog/healthy',
  'bootstrap/nodeClocks',
  'auth/hashPlaces',
  'audit/deliverWebhook',
  'security/scorerDeadline',
  'verifier/hostileZip',
  'audit/deliverProcess',
  'cli/dbGrant',
  'compliance/exportFailures',
  'browser/verifyPage',
  'audit/feedProcess',
  'auth/lockoutWeapon',
  'audit/deliverFile',
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
