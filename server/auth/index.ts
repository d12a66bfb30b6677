export { memberSessions } from './authAnswers';
export type { AuthDeps, AuthParts } from './deps';
export { admitPerson, admitToSignOut, introspectPerson } from './admitPerson';
export { hasOwnPassword, requireProofAtLogin } from './accountStore';
export type { Account } from './accountStore';
export { LEEWAY_SEC, createAccessTokens, invalidToken } from './accessTokens';
export { readHashCosts } from './accountStore';
export { countReturnedSessions, endReturnedSessions } from './endReturnedSessions';
export { endByForce } from './endByForce';
export type { KnownCompromise } from './endByForce';
export { endSessionOf } from './endSessions';
export { findOver, holdImpersonation, readLiveImpersonations } from './impersonationCheckStore';
export { pendingChange, purgeEmailChanges } from './pendingEmailStore';
export { nameDevice } from './deviceName';
export { nameRoles } from './nameRoles';
export { invalidateSessions } from './invalidateSessions';
export { purgeChallenges, purgeSessions, purgeTokensWithoutSession } from './historyStore';
export { createBreachedPasswords } from './passwords/breachedPasswords';
export { createLookUpQueue } from './fairQueue';
export { createPasswordHasher } from './passwords/passwordHasher';
export {
  endPasswordResets,
  endResetsIfShutOut,
  purgePasswordResets,
} from './passwords/passwordResetStore';
export { endOwnProofLinks } from './ownProof/ownProofStore';
export { findPersonOf, lockMemberships } from './passwords/passwordStore';
export { replaceByMail } from './passwords/replaceByMail';
export { replacePassword } from './passwords/replacePassword';
export {
  describeJoiningOwner,
  describeNewOwner,
  readPasswordOwner,
} from './passwords/passwordOwnerStore';
export { assertPasswordAllowed, objectionsToPassword } from './passwords/passwordPolicy';
export { answerSignIn, deviceOf, withChallengeCookie } from './answerSignIn';
export { tokens } from './authAnswers';
export { refuseOtherOrigins } from './refreshCookie';
export { authRoutes } from './routes';
export { listLiveStaff } from './liveStaffStore';
export { listStaffSessions } from './listStaffSessions';
export { listStaffOfConnection } from './connectionSessionStore';
export { countLiveSessions } from './sessionListStore';
export { signInProven } from './signInProven';
export type { ProvenMember } from './signInProven';
export { createSessionCheck } from './sessionCheck';
export { sessionKey } from './sessionStore';
export { checkOwnPassword } from './passwords/checkOwnPassword';
export type { ShownPassword } from './passwords/checkOwnPassword';
export { newPasswordField, passwordField } from './passwords/passwordField';
export { findPerson, verifyInvited } from './verifyInvited';
export { withSessionTable } from './withSessionTable';
export type { SessionMode } from './withSessionTable';
