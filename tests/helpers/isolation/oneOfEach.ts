import { randomBytes, randomUUID } from 'node:crypto';
import { db } from '@/server/db';
import {
  accessChanges,
  apiKeys,
  approvalRequests,
  domains,
  emailChanges,
  identityLinks,
  impersonationActs,
  impersonationConsents,
  impersonationPolicies,
  impersonations,
  invitations,
  ipRuleSets,
  ipRules,
  knownAddresses,
  mails,
  passkeyRegistrations,
  passkeys,
  passwordResets,
  recoveryCodes,
  scimUsers,
  sessionHistory,
  ssoAttempts,
  ssoConnections,
  stepUpHistory,
  tenantRoles,
  tokenHistory,
} from '@/server/db/schema';
import { seedTestUserAndToken } from '../seedAuth';

import { seedSettings } from '../server/seedSettings';
import type { Ids } from './inventIds';

interface Owner {
  tenantId: string;
  userId: string;
  staffId: string;
}

/** Adds a colleague, and an impersonation in which they act as the member. @returns its id */
async function giveImpersonation(owner: Owner, expiresAt: Date): Promise<string> {
  const { tenantId } = owner;
  await db.insert(impersonationPolicies).values({ tenantId });
  await db.insert(impersonationConsents).values({ ...owner, expiresAt });
  const actor = await seedTestUserAndToken({ tenantId, permissions: ['IMPERSONATE'] });
  const [row] = await db
    .insert(impersonations)
    .values({
      ...{ ...owner, sessionVersion: 1, actorStaffId: actor.staffId, actorUserId: actor.userId },
      ...{ actorSessionId: actor.sessionId, actorSessionVersion: 1, scope: 'read_only' },
      ...{ reason: 'Look', consent: 'told', expiresAt: new Date(Date.now() + 900_000) },
    })
    .returning({ id: impersonations.id });
  const impersonationId = row?.id ?? '';
  await db
    .insert(impersonationActs)
    .values({ tenantId, impersonationId, route: 'GET /api/auth/me', refused: false });
  return impersonationId;
}

/** Adds a connection to an identity provider. @returns its id */
export async function giveConnection(tenantId: string): Promise<string> {
  const provider = { issuer: 'https://idp.example', clientId: 'c', alg: 'RS256' } as const;
  // A node that finds a secret under a key that it does not have is not ready.
  const secret = {
    secretSealed: Buffer.from('x'),
    secretKeyId: seedSettings().keys.ids.encryption,
  };
  const metadata = {
    ...{ authorization_endpoint: 'https://idp.example/a', token_endpoint: 'https://idp.example/t' },
    jwks_uri: 'https://idp.example/k',
  };
  const [row] = await db
    .insert(ssoConnections)
    .values({
      ...{ tenantId, name: 'Okta', tokenAuth: 'basic', ...provider, ...secret },
      ...{ metadata, metadataAt: new Date() },
    })
    .returning({ id: ssoConnections.id });
  return row?.id ?? '';
}

/** Adds a try of a connection, and an identity that was linked through it. @returns their ids */
async function giveIdentity(
  owner: Owner,
  connectionId: string,
): Promise<Pick<Ids, 'ssoAttemptId' | 'identityId'>> {
  const now = new Date();
  const secrets = { secretsSealed: Buffer.from('x'), senderHash: Buffer.from('x') };
  const hashes = { stateHash: randomBytes(32), cookieHash: randomBytes(32), ...secrets };
  const [attempt] = await db
    .insert(ssoAttempts)
    .values({
      ...{ ...owner, ...hashes, connectionId, kind: 'try', sessionId: randomUUID() },
      ...{ rememberMe: false, createdAt: now, expiresAt: new Date(now.getTime() + 600_000) },
    })
    .returning({ id: ssoAttempts.id });
  const identity = { issuer: 'https://idp.example', subject: owner.staffId, linkedAt: now };
  const [link] = await db
    .insert(identityLinks)
    .values({ ...owner, ...identity, connectionId, how: 'domain' })
    .returning({ id: identityLinks.id });
  return { ssoAttemptId: attempt?.id ?? '', identityId: link?.id ?? '' };
}

/**
 * Adds a row to each table that is still empty, because a change of an empty table could not be
 * seen.
 * @returns the ids of the rows that a route can name
 */
export async function giveOneOfEach({
  tenantId,
  userId,
  staffId,
}: Owner): Promise<
  Pick<
    Ids,
    | 'mailId'
    | 'roleId'
    | 'invitationId'
    | 'apiKeyId'
    | 'ipRuleId'
    | 'domainId'
    | 'ssoConnectionId'
    | 'ssoAttemptId'
    | 'identityId'
    | 'impersonationId'
  >
> {
  const row = { tenantId, userId, staffId };
  const expiresAt = new Date(Date.now() + 3_600_000);
  await db.insert(scimUsers).values({ ...row, userName: 'a@example.com' });
  await db.insert(recoveryCodes).values({ ...row, codeHash: 'x' });
  const key = { name: 'Key', publicKey: Buffer.from([0]), transports: [], backedUp: false };
  await db.insert(passkeys).values({ ...row, ...key, credentialId: staffId });
  await db.insert(passkeyRegistrations).values({ ...row, challenge: 'x', expiresAt });
  await db.insert(knownAddresses).values({ ...row, addressHash: 'x' });
  const past = { ...row, createdAt: new Date(0), expiresAt: new Date(1) };
  await db
    .insert(sessionHistory)
    .values({ ...past, id: randomUUID(), lastSeenAt: new Date(0), rememberMe: false });
  await db.insert(tokenHistory).values({ ...past, id: randomUUID(), familyId: randomUUID() });
  await db.insert(stepUpHistory).values({
    ...past,
    id: randomUUID(),
    origin: 'login',
    purpose: 'security_settings',
    reasons: [],
    attempts: 0,
  });
  const invitation = {
    tenantId,
    linkId: randomUUID(),
    email: 'invited@example.com',
    delivery: 'mail' as const,
  };
  const [invited] = await db
    .insert(invitations)
    .values({ ...invitation, expiresAt })
    .returning({ id: invitations.id });
  const [role] = await db
    .insert(tenantRoles)
    .values({ tenantId, name: 'Support' })
    .returning({ id: tenantRoles.id });
  await db.insert(accessChanges).values({ tenantId, userId, subjectId: staffId, kind: 'staff' });
  await db.insert(passwordResets).values({ userId, expiresAt });
  const addresses = { fromEmail: 'a@example.com', toEmail: 'b@example.com' };
  await db.insert(emailChanges).values({ ...row, ...addresses, expiresAt });
  const requester = { requesterStaffId: staffId, requesterUserId: userId };
  await db
    .insert(approvalRequests)
    .values({ ...row, ...requester, kind: 'member', change: {}, expiresAt });
  const secret = { secretHash: randomBytes(32), keyId: 'x' };
  const [made] = await db
    .insert(apiKeys)
    .values({ ...row, ...secret, name: 'Nightly', expiresAt })
    .returning({ id: apiKeys.id });
  await db.insert(ipRuleSets).values({ tenantId });
  const allowed = {
    action: 'allow' as const,
    appliesTo: 'api_keys' as const,
    range: '192.0.2.0/24',
  };
  const [rule] = await db
    .insert(ipRules)
    .values({ tenantId, ...allowed })
    .returning({ id: ipRules.id });
  const token = randomBytes(20).toString('hex');
  const [domain] = await db
    .insert(domains)
    .values({ tenantId, token, domain: `${tenantId}.example`, createdBy: staffId })
    .returning({ id: domains.id });
  const ssoConnectionId = await giveConnection(tenantId);
  const identity = await giveIdentity({ tenantId, userId, staffId }, ssoConnectionId);
  const mail = { ...row, kind: 'new_device', expiresAt, sentAt: new Date() };
  const [sent] = await db.insert(mails).values(mail).returning({ id: mails.id });
  const impersonationId = await giveImpersonation({ tenantId, userId, staffId }, expiresAt);
  const ids = { mailId: sent?.id ?? '', roleId: role?.id ?? '' };
  const more = { apiKeyId: made?.id ?? '', ipRuleId: rule?.id ?? '', impersonationId };
  return {
    ...ids,
    ...more,
    ssoConnectionId,
    ...identity,
    domainId: domain?.id ?? '',
    invitationId: invited?.id ?? '',
  };
}
