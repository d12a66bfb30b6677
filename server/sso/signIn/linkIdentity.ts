import { recordAudit } from '../../audit';
import type { SsoRefusal } from '../../audit';
import type { RequestContext } from '../../context';
import type { Tx } from '../../db';
import type { LinkGround } from '../../db/schema';
import { hasProvenDomain } from '../../domains';
import { describeLink, insertLink, listLinks, useLink } from '../../identities';
import type { LinkRow } from '../../identities';
import { domainOf, normalizeEmail } from '../../mailAddress';
import type { SsoDeps } from '../deps';
import { lockMemberByAddress } from './memberStore';
import type { ProviderClaims } from './providerClaims';

/** The member whom an identity signs in, or the reason why it signs in nobody. */
type Linked = { readonly link: LinkRow } | { readonly refusal: SsoRefusal };

interface ToLink {
  readonly tenantId: string;
  readonly connectionId: string;
  readonly claims: ProviderClaims;
}

/**
 * Links an identity to a member whose row the caller has locked, and records it. An identity has one
 * member, and a member has one identity at an issuer.
 */
export async function linkIdentity(
  deps: Pick<SsoDeps, 'random'>,
  tx: Tx,
  ctx: RequestContext,
  { tenantId, connectionId, claims }: ToLink,
  member: { staffId: string; userId: string; how: LinkGround },
): Promise<Linked> {
  const { issuer, subject } = claims;
  const { staffId, userId, how } = member;
  const own = await listLinks(tx, tenantId, staffId);
  const atIssuer = own.find((one) => one.issuer === issuer);
  if (atIssuer?.subject === subject) return { link: atIssuer };
  if (atIssuer) return { refusal: 'member_has_other_identity' };
  const row = { id: deps.random.id(), tenantId, staffId, userId, issuer, subject };
  const link = await insertLink(tx, { ...row, connectionId, how });
  if (!link) return { refusal: 'identity_of_other_member' };
  await recordAudit(tx, ctx, {
    action: 'IDENTITY_LINKED',
    outcome: 'success',
    tenantId,
    actor: staffId,
    subject: `staff:${staffId}`,
    details: { before: null, after: describeLink(link), via: 'api' },
  });
  return { link };
}

/**
 * Links an identity at first contact. The address in the token only proposes the member: it must be
 * verified, its domain must be proven by this tenant now, and an active member of this tenant must
 * have it as their own address.
 */
async function linkByDomain(
  deps: Pick<SsoDeps, 'random'>,
  tx: Tx,
  ctx: RequestContext,
  what: ToLink,
): Promise<Linked> {
  const { email, emailVerified } = what.claims;
  if (email === null) return { refusal: 'email_missing' };
  if (!emailVerified) return { refusal: 'email_unverified' };
  const address = normalizeEmail(email);
  if (address === null) return { refusal: 'email_missing' };
  if (!(await hasProvenDomain(tx, what.tenantId, domainOf(address)))) {
    return { refusal: 'domain_unproven' };
  }
  const member = await lockMemberByAddress(tx, what.tenantId, address);
  if (!member) return { refusal: 'member_unknown' };
  if (!member.active) return { refusal: 'member_refused' };
  const linked = await linkIdentity(deps, tx, ctx, what, { ...member, how: 'domain' });
  return linked;
}

/** Finds the member of an identity by its link, or links it at first contact. */
export async function findOrLink(
  deps: Pick<SsoDeps, 'random'>,
  tx: Tx,
  ctx: RequestContext,
  what: ToLink,
): Promise<Linked> {
  const link = await useLink(tx, what.tenantId, what.claims);
  return link ? { link } : linkByDomain(deps, tx, ctx, what);
}
