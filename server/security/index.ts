export { assessRisk, decideRisk } from './assessRisk';
export type { RiskAssessment } from './assessRisk';
export {
  TRIES_FOR_KNOWN_DEVICES,
  TRIES_FOR_STRANGERS,
  addressBlock,
  attemptSubject,
} from './attempts';
export {
  clearAttempts,
  countFailures,
  purgeAttempts,
  readAttempts,
  reserveTry,
  resetTries,
} from './attemptStore';
export { fromChallengeId } from './challengeId';
export { consumeLoginChallenge, consumeRefreshChallenge, findChallenge } from './challengeStore';
export { offerChallenge } from './challenges';
export { identifyDevice } from './devices';
export type { DeviceIdentity } from './devices';
export { enrollTotpForStaff } from './enrollTotpForStaff';
export { createGeoLookup } from './geo';
export type { GeoLookup } from './geo';
export { learnFromSuccess } from './learnFromSuccess';
export { createRiskFactsCache } from './riskFacts';
export type { RiskFactsCache } from './riskFacts';
export { isKnownDevice } from './riskFactsStore';
export { STEP_UP_FROM } from './riskTable';
export { securityRoutes } from './routes';
export { assertStepUp } from './stepUpGate';
export { currentTotpCode } from './totp';
