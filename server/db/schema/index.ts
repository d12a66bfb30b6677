export * from './enums';
export { accessChangePurges, accessChanges } from './accessChanges';
export { apiKeys } from './apiKeys';
export { approvalRequests } from './approvalRequests';
export { auditLogs } from './auditLogs';
export {
  auditCheckpoints,
  auditLeaves,
  auditNodes,
  auditSealer,
  auditTrees,
  evidenceKeys,
} from './auditTrees';
export { changeVersions } from './changeVersions';
export { checkpointDeliveries } from './checkpointDeliveries';
export { declaredEventTypes } from './declaredEventTypes';
export { declaredPermissions } from './declaredPermissions';
export { DOMAIN_FINDINGS, domains } from './domains';
export type { DomainFinding } from './domains';
export { emailChanges } from './emailChanges';
export { eventBatches } from './eventBatches';
export { eventDeliveries } from './eventDeliveries';
export { eventFeeds } from './eventFeeds';
export { attemptScope, failedAttempts } from './failedAttempts';
export { sessionHistory, stepUpHistory, tokenHistory } from './history';
export { LINK_GROUNDS, identityLinks } from './identityLinks';
export type { LinkGround } from './identityLinks';
export {
  IMPERSONATION_CONSENTS,
  IMPERSONATION_SCOPES,
  impersonationActs,
  impersonationConsents,
  impersonationPolicies,
  impersonations,
} from './impersonations';
export type { ImpersonationConsent, ImpersonationScope } from './impersonations';
export { installation } from './installation';
export { invitations } from './invitations';
export { ipRules } from './ipRules';
export { ipRuleSets } from './ipRuleSets';
export { keyChecks } from './keyChecks';
export { knownAddresses } from './knownAddresses';
export { knownCountries } from './knownCountries';
export { knownDevices } from './knownDevices';
export { knownNetworks } from './knownNetworks';
export { mails } from './mails';
export { nodeClocks } from './nodeClocks';
export { passwordResets } from './passwordResets';
export { passkeyRegistrations } from './passkeyRegistrations';
export { passkeys } from './passkeys';
export { rateLimits, rateLimitScope } from './rateLimits';
export { recoveryCodes } from './recoveryCodes';
export { refreshTokens } from './refreshTokens';
export { riskDecisions } from './riskDecisions';
export { riskPolicies } from './riskPolicies';
export { scimUsers } from './scimUsers';
export { schemaHealth } from './schemaHealth';
export { serviceKeys } from './serviceKeys';
export { SSO_ATTEMPT_KINDS, ssoAttempts } from './ssoAttempts';
export type { SsoAttemptKind } from './ssoAttempts';
export { ssoConnections } from './ssoConnections';
export { staffHabits } from './staffHabits';
export { stepUpChallenges } from './stepUpChallenges';
export { tenants } from './tenants';
export { tenantRoles } from './tenantRoles';
export { tenantStaff } from './tenantStaff';
export { users } from './users';
export { userSessions } from './userSessions';
export { userTotp } from './userTotp';
export { writeProbes } from './writeProbes';
