import { randomBytes, randomUUID } from 'node:crypto';

/** All ids of a tenant that a stranger could send. */
export interface Ids {
  tenantId: string;
  tenantSlug: string;
  userId: string;
  staffId: string;
  sessionId: string;
  refreshTokenId: string;
  challengeRowId: string;
  /** The ids of challenges, as their owner received them. */
  sessionChallengeId: string;
  loginChallengeId: string;
  decisionId: string;
  factorId: string;
  mailId: string;
  roleId: string;
  resetId: string;
  invitationId: string;
  eventId: string;
  approvalId: string;
  apiKeyId: string;
  ipRuleId: string;
  domainId: string;
  ssoConnectionId: string;
  ssoAttemptId: string;
  identityId: string;
  impersonationId: string;
}

/** Returns the same ids, but belonging to nobody. */
export const inventIds = (): Ids => ({
  tenantId: randomUUID(),
  tenantSlug: `tenant-${randomBytes(5).toString('hex')}`,
  userId: randomUUID(),
  staffId: randomUUID(),
  sessionId: randomUUID(),
  refreshTokenId: randomUUID(),
  challengeRowId: randomUUID(),
  sessionChallengeId: `chl_${randomBytes(32).toString('base64url')}`,
  loginChallengeId: `chl_${randomBytes(32).toString('base64url')}`,
  decisionId: randomUUID(),
  factorId: randomUUID(),
  mailId: randomUUID(),
  roleId: randomUUID(),
  resetId: randomUUID(),
  invitationId: randomUUID(),
  eventId: randomUUID(),
  approvalId: randomUUID(),
  apiKeyId: randomUUID(),
  ipRuleId: randomUUID(),
  domainId: randomUUID(),
  ssoConnectionId: randomUUID(),
  ssoAttemptId: randomUUID(),
  identityId: randomUUID(),
  impersonationId: randomUUID(),
});
