import type { TenantDeps } from './deps';
import { AppError } from '../errors';
import { readTaggedId, tagId } from '../taggedId';
import { findByLink, statusOf } from './invitationStore';
import type { LinkedInvitation } from './invitationStore';

const LINK = { purpose: 'invitation', prefix: 'inv_' } as const;

/**
 * Builds the link of an invitation: its link id with a tag that only this server can make. No part
 * of it is stored.
 * @throws AppError METHOD_UNAVAILABLE in production if PUBLIC_URL is not set
 */
export function toInvitationLink(
  deps: Pick<TenantDeps, 'keys' | 'mail' | 'config'>,
  linkId: string,
): string {
  const { port, production } = deps.config;
  const nearby = production ? undefined : `http://localhost:${port}`;
  const publicUrl = deps.mail.publicUrl ?? nearby;
  if (publicUrl === undefined) {
    throw new AppError('METHOD_UNAVAILABLE', {
      detail: 'An invitation needs a link, so the operator has to set PUBLIC_URL.',
    });
  }
  return `${publicUrl}/invitation/${tagId(deps.keys, LINK, linkId)}`;
}

/**
 * Finds the open invitation of a link. It changes nothing.
 * @param token the last part of the link
 * @throws AppError NOT_FOUND for an unknown, forged, revoked, accepted or replaced link, or a tenant
 * that is not active, without distinguishing them; INVITATION_EXPIRED
 */
export async function openInvitation(
  deps: Pick<TenantDeps, 'db' | 'keys' | 'clock'>,
  token: string,
): Promise<LinkedInvitation> {
  const linkId = readTaggedId(deps.keys, LINK, token);
  const found = linkId === null ? undefined : await findByLink(deps.db, linkId);
  if (found?.tenant.status !== 'active') throw new AppError('NOT_FOUND');
  const { invitation } = found;
  if (invitation.acceptedAt || invitation.revokedAt) throw new AppError('NOT_FOUND');
  if (statusOf(invitation, deps.clock.now()) === 'expired') {
    throw new AppError('INVITATION_EXPIRED');
  }
  return found;
}

/** Hides an address from anybody who does not know it: its first letter and its domain stay. */
export function maskEmail(email: string): string {
  const at = email.lastIndexOf('@');
  const [first = ''] = email;
  return `${first}…${email.slice(at)}`;
}

/** The facts about an invitation for anybody who holds its link. */
export interface InvitationPreview {
  tenant: { name: string };
  /** Masked if the link was handed over: its holder need not be the invited person. */
  email: string;
  expiresAt: Date;
  /** Null if the membership has no end. */
  membershipEndsAt: Date | null;
  /** A new person has to enter a code that is mailed to the address. */
  needsCode: boolean;
}

/** Returns what the holder of a link may know. It never says whether the person exists already. */
export function previewOf({ invitation, tenant }: LinkedInvitation): InvitationPreview {
  const { email, delivery, expiresAt, membershipEndsAt } = invitation;
  const handedOver = delivery === 'link';
  return {
    tenant: { name: tenant.name },
    email: handedOver ? maskEmail(email) : email,
    expiresAt,
    membershipEndsAt,
    needsCode: handedOver,
  };
}
