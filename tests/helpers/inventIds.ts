import { randomBytes, randomUUID } from 'node:crypto';

/** Everything that a stranger could name of somebody's tenant. */
export interface Ids {
  tenantId: string;
  tenantSlug: string;
  userId: string;
  staffId: string;
  sessionId: string;
  refreshTokenId: string;
  challengeRowId: string;
  /** As their holder got them. */
  sessionChallengeId: string;
  loginChallengeId: string;
  decisionId: string;
  factorId: string;
  mailId: string;
  eventId: string;
}

/** The same of nobody. */
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
  eventId: randomUUID(),
});
