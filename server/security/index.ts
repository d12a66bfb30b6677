export type { SecurityDeps, SecurityParts } from './deps';
export {
  SPRAYED_ACCOUNTS,
  TRIES_AFTER_FACTOR,
  TRIES_FOR_KNOWN_DEVICES,
  TRIES_FOR_KNOWN_NETWORKS,
  TRIES_FOR_STRANGERS,
  addressBlock,
  attemptSubject,
  attemptSubjects,
} from './risk/attempts';
export { BEGUN_FOR_MS, markOfBrowser, readBegunLogin, sealBegunLogin } from './stepUp/begunLogin';
export { BEGUN_METHODS, findShownFactor } from './stepUp/verifyBegunLogin';
export { forgetGuesses } from './risk/forgetGuesses';
export { countMailTo, mailsFreeAt } from './risk/mailsToAddress';
export { lookForFamiliar } from './risk/familiarStore';
export type { Familiarity } from './risk/familiarStore';
export { EVERYBODY, judgeAddress } from './risk/judgeAddress';
export type { AddressJudgement } from './risk/judgeAddress';
export {
  clearAttempts,
  countFailures,
  isFirstInWindow,
  purgeAttempts,
  readAttempts,
  reserveTry,
  resetTries,
} from './risk/attemptStore';
export { resetRiskPolicy, showPolicyOf } from './risk/changeRiskPolicy';
export { listClosedAccounts } from './risk/listClosedAccounts';
export type { AttemptScope, CountedFailure } from './risk/attemptStore';
export { offerRefreshChallenge, passByProof } from './stepUp/refreshChallenges';
export { isAtProvenHome } from './risk/signals';
export { fromChallengeId } from './stepUp/challengeId';
export { consumeLoginChallenge, endChallenges, findChallenge } from './stepUp/challengeStore';
export type { Challenge } from './stepUp/challengeStore';
export { offerChallenge, stepUpRequired } from './stepUp/challenges';
export { endProofs } from './stepUp/endProofs';
export { deviceOfCookie, hashesOfAgent, identifyDevice, renewHashes } from './risk/devices';
export type { DeviceIdentity } from './risk/devices';
export { findEnrollee } from './stepUp/enrolByChallenge';
export { mustStillEnrol } from './stepUp/enrolmentChallengeStore';
export { newMailedCode } from './stepUp/mailedCode';
export { readTypedCode } from './stepUp/typedCode';
export { enrollTotpForStaff } from './stepUp/enrollTotpForStaff';
export { createGeoLookup } from './risk/geo';
export { removeAllFactors } from './stepUp/removeAllFactors';
export type { RemovedFactors } from './stepUp/removeAllFactors';
export { listAllowedMethods } from './stepUp/proofs';
export { countRecoveryCodes, listFactors } from './stepUp/factorStore';
export { judgeLogin, judgeRefresh, recallVerdict } from './risk/judge';
export type { LoginVerdict, RefreshVerdict, Verdict } from './risk/judge';
export { learnFromSuccess } from './risk/learnFromSuccess';
export { createBreaker } from './risk/breaker';
export { passkeyRoutes } from './stepUp/passkeyRoutes';
export { createDenialRecorder } from './risk/recordDenials';
export type { DenialRecorder } from './risk/recordDenials';
export { createRiskCaches } from './risk/riskCaches';
export { createRiskDecisionLog } from './risk/riskDecisionLog';
export { purgeDecisions } from './risk/riskDecisionStore';
export { allDemandFactor } from './risk/riskPolicyStore';
export { findPolicyInForce } from './risk/policyInForce';
export { purgePendingFactors } from './stepUp/pendingFactorStore';
export { riskRoutes } from './risk/riskRoutes';
export { readIpLists } from './risk/ipLists';
export { securityRoutes } from './stepUp/stepUpRoutes';
export { conclude, settle } from './risk/settle';
export { readBoundChallenge, settleDevice } from './risk/settleDevice';
export { forgetTaught, listSuspectSessions } from './risk/taughtStore';
export type { Forgotten, Taught } from './risk/taughtStore';
export {
  assertStepUp,
  findWindowSec,
  giveProofBack,
  hasFactor,
  withProof,
} from './stepUp/stepUpGate';
export type { SpentProof } from './stepUp/stepUpGate';
export { boundToTotp, currentTotpCode, openTotpSecret } from './stepUp/totp';
export type { StepUpMethod } from './stepUp/stepUpMethods';
