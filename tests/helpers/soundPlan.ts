import { makeEvents, makeKeys, vkeyOf } from './madeUpBundle';
import type { BundlePlan } from './madeUpBundle';

/** The key of the log, which tests of the verifier share. */
export const keys = makeKeys();
/** A log from the evening of 1 March on: leaves 16, and 18 to 112, occurred on 2 March. */
export const events = makeEvents(130);
/** A bundle of 2 March in which all is right. */
export const soundPlan: BundlePlan = { events, keys };
/** What a verifier is given that knows the key. */
export const believed = { keys: [vkeyOf(keys)] };
