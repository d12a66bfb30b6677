import { recordAudit } from '../../audit';
import type { AuditEvent } from '../../audit';
import type { RequestContext } from '../../context';
import type { Tx } from '../../db';
import type { AuthDeps } from '../deps';
import { AppError } from '../../errors';
import { invalidateSessions } from '../invalidateSessions';
import type { SessionMode } from '../withSessionTable';
import { readHasPassword } from './passwordOwnerStore';
import { endPasswordResets } from './passwordResetStore';
import { writePassword } from './passwordStore';
import type { PasswordMembership } from './passwordStore';

type PasswordEvent = Extract<AuditEvent, { action: 'PASSWORD_CHANGED' | 'PASSWORD_SET' }>;

/** A new password, and what ends with the old one. */
export interface Replacement {
  userId: string;
  passwordHash: string;
  /** All memberships of the person, locked. */
  memberships: readonly PasswordMembership[];
  /** When the password was set that the person has just shown; a later one must stay. */
  setAt?: Date;
  /** The event for the log of each tenant. */
  event: Pick<PasswordEvent, 'action' | 'details'>;
  reason: 'manual' | 'force_logout' | 'security_event';
  /** The session in which the person acts, which goes on. */
  keep?: { tenantId: string; sessionId: string };
}

/**
 * Returns the context of the same act as another tenant of the person may see it: by its own
 * member, and without the session in the first tenant.
 */
function contextIn(ctx: RequestContext, { tenantId, staffId }: PasswordMembership): RequestContext {
  if (ctx.tenantId === null || ctx.tenantId === tenantId) return ctx;
  return { ...ctx, tenantId, actor: staffId, sessionId: null };
}

/**
 * Replaces a person's password, or sets their first. One password is valid in every tenant of the person, so their
 * sessions end in all of them, with pending proofs, with any login that has checked the old
 * password but not yet opened its session, and with open links for a new password.
 * @returns the new session version in the tenant of the session that goes on
 * @throws AppError CONFLICT if the password was replaced since `setAt`
 */
export async function replacePassword(
  deps: Pick<AuthDeps, 'clock'>,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  what: Replacement,
): Promise<number | undefined> {
  const { userId, passwordHash, setAt, keep } = what;
  let keptVersion: number | undefined;
  // The memberships are locked, so nobody sets a password between this and the write.
  const first = (await readHasPassword(tx, userId)) ? {} : { first: true as const };
  for (const one of what.memberships) {
    const { tenantId, staffId } = one;
    const there = contextIn(ctx, one);
    const subject = `staff:${staffId}`;
    // Record the event first, so that the ended sessions do not appear to have ended before it.
    const details = { ...what.event.details, ...first };
    const event = { ...what.event, details, outcome: 'success', tenantId, subject };
    await recordAudit(tx, there, event as PasswordEvent);
    const kept = keep?.tenantId === tenantId ? { keep: keep.sessionId } : {};
    const ended = { staffId, reason: what.reason, now: deps.clock.now(), ...kept };
    const version = await invalidateSessions(tx, there, mode, tenantId, ended);
    if (keep?.tenantId === tenantId) keptVersion = version;
  }
  // A login locks the staff row before the user row; so does this.
  const change = { userId, passwordHash, ...(setAt ? { setAt } : {}) };
  if (!(await writePassword(tx, change))) throw new AppError('CONFLICT');
  await endPasswordResets(tx, userId);
  return keptVersion;
}
