import { concurrentCountries } from './concurrentCountries';
import { dormantAccount } from './dormantAccount';
import { failedAttempts, failedAttemptsMany } from './recentFailures';
import { impossibleTravel } from './impossibleTravel';
import { ipOnList } from './ipOnList';
import { newCountry } from './newCountry';
import { newDevice } from './newDevice';
import { newNetwork } from './newNetwork';
import { sessionMoved } from './sessionMoved';
import type { Signal } from './signal';
import { spray } from './spray';
import { unusualHour } from './unusualHour';

/**
 * Every signal, in the order in which reasons are given. To add one, write a file and list it here.
 */
export const SIGNALS: readonly Signal[] = [
  newDevice,
  newCountry,
  impossibleTravel,
  newNetwork,
  failedAttempts,
  failedAttemptsMany,
  spray,
  unusualHour,
  dormantAccount,
  sessionMoved,
  concurrentCountries,
  ipOnList,
];

export type { Attempt, History, Sight, Signal } from './signal';
export { isAtProvenHome } from './signal';
