export { assessRisk } from './assessRisk';
export type { RiskAssessment } from './assessRisk';
export {
  SPRAYED_ACCOUNTS,
  TRIES_AFTER_FACTOR,
  TRIES_FOR_KNOWN_DEVICES,
  TRIES_FOR_KNOWN_NETWORKS,
  TRIES_FOR_STRANGERS,
  attemptSubject,
  attemptSubjects,
} from './attempts';
export {
  BEGUN_FOR_MS,
  findShownFactor,
  markOfBrowser,
  readBegunLogin,
  sealBegunLogin,
} from './begunLogin';
export { BEGUN_METHODS } from './verifyBegunLogin';
export { forgetGuesses } from './forgetGuesses';
export { lookForFamiliar } from './familiarStore';
export type { Familiarity } from './familiarStore';
export { EVERYBODY, judgeAddress } from './judgeAddress';
export type { AddressJudgement } from './judgeAddress';
export {
  clearAttempts,
  countFailures,
  isFirstInWindow,
  purgeAttempts,
  readAttempts,
  reserveTry,
  resetTries,
} from './attemptStore';
export { resetRiskPolicy, showPolicyOf } from './changeRiskPolicy';
export type { AnomalyInput } from './computeAnomalyScore';
export { listMembers } from './closedStore';
export { listClosedAccounts } from './listClosedAccounts';
export { lockedRoutes } from './lockedRoutes';
export type { AttemptScope, CountedFailure } from './attemptStore';
export { describeAttempt } from './describeAttempt';
export { offerRefreshChallenge, passByProof } from './refreshChallenges';
export { isAtProvenHome } from './signals';
export { fromChallengeId } from './challengeId';
export { consumeLoginChallenge, endChallenges, findChallenge } from './challengeStore';
export type { Challenge } from './challengeStore';
export { offerChallenge } from './challenges';
export { endProofs } from './endProofs';
export { hashesOfAgent, identifyDevice, renewHashes } from './devices';
export type { DeviceIdentity } from './devices';
export { findEnrollee } from './enrolByChallenge';
export { mustStillEnrol } from './enrolmentChallengeStore';
export { enrollTotpForStaff } from './enrollTotpForStaff';
export { createGeoLookup } from './geo';
export type { GeoLookup } from './geo';
export { countRecoveryCodes, listFactors } from './factorStore';
export { learnFromSuccess } from './learnFromSuccess';
export { createBreaker } from './breaker';
export type { Breaker } from './breaker';
export { noteDecision } from './noteDecision';
export { passkeyRoutes } from './passkeyRoutes';
export { createDenialRecorder } from './recordDenials';
export type { DenialRecorder } from './recordDenials';
export { createRiskCaches } from './riskCaches';
export { createRiskDecisionLog } from './riskDecisionLog';
export type { RiskDecisionLog } from './riskDecisionLog';
export { purgeDecisions } from './riskDecisionStore';
export type { RiskFactsCache } from './riskFacts';
export { findPolicyInForce } from './policyInForce';
export { purgePendingFactors } from './pendingFactorStore';
export { readStanding } from './proofs';
export type { RiskPolicies } from './riskPolicies';
export type { RiskPolicy } from './riskPolicy';
export { riskRoutes } from './riskRoutes';
export { readIpLists } from './ipLists';
export type { IpLists } from './ipLists';
export { securityRoutes } from './routes';
export { readBoundChallenge, settleDevice } from './settleDevice';
export { forgetTaught, listSuspectSessions } from './taughtStore';
export type { Forgotten, Taught } from './taughtStore';
export { assertStepUp, giveProofBack, withProof } from './stepUpGate';
export type { Passage, SpentProof } from './stepUpGate';
export { toAct } from './act';
export { boundToTotp, currentTotpCode, openTotpSecret } from './totp';
