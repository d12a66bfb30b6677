import { makeEvents, makeKeys, vkeyOf } from './madeUpBundle';
import type { BundlePlan } from './madeUpBundle';

/** The key of the log, which tests of the verifier share. */
export const keys = makeKeys();
/** A log that begins on the evening of 1 March. Leaves 16, and 18 to 112, occurred on 2 March. */
export const events = makeEvents(130);
/** A bundle of 2 March without any fault. */
export const soundPlan: BundlePlan = { events, keys };
/** The options of a verifier that was given the key. */
export const believed = { keys: [vkeyOf(keys)] };
