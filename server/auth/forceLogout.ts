import { isOfOperators } from '../context';
import type { RequestContext } from '../context';
import type { Tx } from '../db';
import type { AuthDeps } from './deps';
import { queueNotice } from '../mail';
import type { NoticeDeps } from '../mail';
import { distrustSessions } from './distrustSessions';
import type { Distrusted } from './distrustSessions';
import { invalidateSessions } from './invalidateSessions';
import { withSessionTable } from './withSessionTable';
import type { SessionMode } from './withSessionTable';

/** An operator's report that someone else had sessions of a person. */
export interface KnownCompromise {
  /** Anything opened or learnt since then is distrusted too. Null distrusts only live sessions. */
  since: Date | null;
  /** Someone else used the password: it expires, for every tenant of the person. */
  expirePassword: boolean;
}

type ForceDeps = NoticeDeps & Pick<AuthDeps, 'db' | 'schemaGuard' | 'riskFacts'>;

async function end(
  deps: ForceDeps,
  tx: Tx,
  ctx: RequestContext,
  mode: SessionMode,
  { compromise, ...own }: { tenantId: string; staffId: string; compromise?: KnownCompromise },
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
 * Signs a staff member out everywhere. Their next request is refused on every node, and a mail
 * informs them.
 * @param compromise given if someone else had a session: what it taught the scorer is forgotten,
 * and the next login needs a step-up proof
 * @returns whether their password was expired
 * @throws AppError NOT_FOUND if the tenant has no such staff member
 */
export async function forceLogout(
  deps: ForceDeps,
  ctx: RequestContext,
  tenantId: string,
  staffId: string,
  compromise?: KnownCompromise,
): Promise<{ passwordExpired: boolean }> {
  const { passwordExpired, staff } = await withSessionTable(deps, (mode) =>
    deps.db.transaction(async (tx) => {
      const own = { tenantId, staffId };
      const done = await end(deps, tx, ctx, mode, {
        ...own,
        ...(compromise ? { compromise } : {}),
      });
      const by = isOfOperators(ctx.actor) ? 'operator' : 'administrator';
      const notice = { kind: 'forced_logout', by, passwordExpired: done.passwordExpired } as const;
      await queueNotice(deps, tx, ctx, own, notice);
      return done;
    }),
  );
  deps.mail.wake();
  for (const one of staff) deps.riskFacts.forget(one.tenantId, one.staffId);
  return { passwordExpired };
}
