import { isOfOperators } from '../context';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { queueNotice } from '../mail';
import type { NoticeDeps } from '../mail';
import { distrustSessions } from './distrustSessions';
import type { Distrusted } from './distrustSessions';
import { invalidateSessions } from './invalidateSessions';
import type { SessionMode } from './withSessionTable';

/** An operator's report that someone else had sessions of a person. */
export interface KnownCompromise {
  /** Anything opened or learnt since then is distrusted too. Null distrusts only live sessions. */
  since: Date | null;
  /** Someone else used the password: it expires, for every tenant of the person. */
  expirePassword: boolean;
}

interface ForcedLogout {
  tenantId: string;
  staffId: string;
  /** Given if someone else had a session: its risk history is deleted, and the next login needs a proof. */
  compromise?: KnownCompromise | undefined;
}

async function end(
  deps: NoticeDeps,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  { compromise, ...own }: ForcedLogout,
): Promise<Distrusted> {
  const reason = 'force_logout' as const;
  if (compromise) {
    const { since, expirePassword } = compromise;
    const passwordUsed = expirePassword ? { passwordUsed: { setBefore: null } } : {};
    const what = { ...own, reason, since, via: 'operator' as const, ...passwordUsed };
    return distrustSessions(deps, tx, ctx, mode, what);
  }
  const what = { staffId: own.staffId, reason, now: deps.clock.now() };
  await invalidateSessions(tx, ctx, mode, own.tenantId, what);
  return { passwordExpired: false, staff: [own] };
}

/**
 * Signs a staff member out everywhere, and queues a mail that informs them. Wake the mailer once
 * the transaction is committed, and let every node forget the risk history of the returned staff.
 * @throws AppError NOT_FOUND if the tenant has no such staff member
 */
export async function endByForce(
  deps: NoticeDeps,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  what: ForcedLogout,
): Promise<Distrusted> {
  const { tenantId, staffId } = what;
  const done = await end(deps, tx, ctx, mode, what);
  const by = isOfOperators(ctx.actor) ? 'operator' : 'administrator';
  const notice = { kind: 'forced_logout', by, passwordExpired: done.passwordExpired } as const;
  await queueNotice(deps, tx, ctx, { tenantId, staffId }, notice);
  return done;
}
