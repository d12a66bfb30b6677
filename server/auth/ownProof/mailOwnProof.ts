import { recordAudit } from '../../audit';
import type { Principal, RequestContext } from '../../context';
import type { Tx } from '../../db';
import { inTenant } from '../../db/tenantScope';
import type { AuthDeps } from '../deps';
import { AppError } from '../../errors';
import { retryAfter } from '../../http/retryAfter';
import { queueMail, writeOwnProofMail } from '../../mail';
import { countMailTo, mailsFreeAt } from '../../security';
import { invalidToken } from '../accessTokens';
import { readProfile } from '../accountStore';
import { lockStaff } from '../refreshTokenStore';
import { recordOwnProof, sessionToProve } from './giveOwnProof';
import { OWN_PROOF_MINUTES, OWN_PROOF_MS, readOwnProofToken, toOwnProofLink } from './ownProofLink';
import { findOwnProofLink, keepOwnProofLink, useOwnProofLink } from './ownProofStore';
import type { ProvenSession } from './ownProofStore';

/**
 * Returns the origin of links in mails.
 * @throws AppError METHOD_UNAVAILABLE if no mail with a link can be sent
 */
function originOfLinks({ mail }: Pick<AuthDeps, 'mail'>): string {
  if (mail.isAvailable() && mail.publicUrl !== undefined) return mail.publicUrl;
  const detail = 'This service sends no mails with links. Prove your password instead.';
  throw new AppError('METHOD_UNAVAILABLE', { detail });
}

/**
 * Counts the mail, for each tenant by itself: the provider of one must not use up the mails of
 * another, nor fill the mailbox.
 * @throws AppError TOO_MANY_ATTEMPTS with the time at which the count begins again
 */
async function countMail(
  deps: Pick<AuthDeps, 'keys'>,
  tx: Tx,
  mail: { to: string; from: string; now: Date },
): Promise<void> {
  if (await countMailTo(deps, tx, { kind: 'own-proof-mail', ...mail })) return;
  throw new AppError('TOO_MANY_ATTEMPTS', {
    detail: 'No more links are mailed to you today. Use the newest one, or prove your password.',
    headers: retryAfter(mail.now, mailsFreeAt(mail.now)),
  });
}

/**
 * Mails a link to the caller's own address, by which they prove that this session is theirs. The
 * newest link of a session works, for 15 minutes, and only while the session lives.
 * @returns when the link expires
 * @throws AppError METHOD_UNAVAILABLE if no mail can be sent; TOO_MANY_ATTEMPTS; UNAUTHENTICATED if
 * the session has ended; SCHEMA_UNAVAILABLE for a token without a session
 */
export async function mailOwnProof(
  deps: AuthDeps,
  ctx: RequestContext,
  principal: Principal,
): Promise<{ expiresAt: Date }> {
  const session = sessionToProve(principal);
  const publicUrl = originOfLinks(deps);
  const { tenantId, staffId } = session;
  const { userId, tenant } = principal;
  const now = deps.clock.now();
  const id = deps.random.id();
  const expiresAt = new Date(now.getTime() + OWN_PROOF_MS);
  await inTenant(deps.db, tenantId, async (tx) => {
    // Under the lock that a change of the address takes, so that it cannot miss this link.
    await lockStaff(tx, tenantId, staffId);
    const to = (await readProfile(tx, tenantId, userId))?.email;
    if (to === undefined) throw invalidToken();
    await countMail(deps, tx, { to, from: tenantId, now });
    if (!(await keepOwnProofLink(tx, session, { id, expiresAt, now }))) throw invalidToken();
    await recordAudit(tx, ctx, {
      action: 'OWN_PROOF_REQUESTED',
      outcome: 'success',
      subject: `session:${session.sessionId}`,
      details: {},
    });
    const link = toOwnProofLink(deps.keys, publicUrl, id);
    await queueMail(deps, tx, {
      ...{ tenantId, staffId, userId, to, kind: 'own_proof_link', expiresAt },
      ...writeOwnProofMail({
        ...{ link, at: now, minutes: OWN_PROOF_MINUTES, tenantName: tenant.name, ctx },
      }),
    });
  });
  deps.mail.wake();
  return { expiresAt };
}

/**
 * Checks a link. It changes nothing, because mail scanners fetch links.
 * @returns the id of the link, and its session
 * @throws AppError NOT_FOUND for an unknown, forged, used, replaced or expired link, and for one of
 * a session that has ended, without distinguishing them
 */
export async function readOwnProofLink(
  deps: Pick<AuthDeps, 'db' | 'keys' | 'clock'>,
  token: string,
): Promise<{ id: string; session: ProvenSession }> {
  const id = readOwnProofToken(deps.keys, token);
  const session = id === null ? undefined : await findOwnProofLink(deps.db, id, deps.clock.now());
  if (id === null || !session) throw new AppError('NOT_FOUND');
  return { id, session };
}

/**
 * Uses up a link: notes in its session, and in no other, that the person reads the mailbox of their
 * address.
 * @throws AppError NOT_FOUND as {@link readOwnProofLink}
 */
export async function confirmOwnProof(
  deps: Pick<AuthDeps, 'db' | 'keys' | 'clock'>,
  ctx: RequestContext,
  token: string,
): Promise<void> {
  const { id, session } = await readOwnProofLink(deps, token);
  await inTenant(deps.db, session.tenantId, async (tx) => {
    const used = await useOwnProofLink(tx, session, { id, now: deps.clock.now() });
    if (!used) throw new AppError('NOT_FOUND');
    await recordOwnProof(tx, ctx, session, { with: 'mailed_link' });
  });
}
