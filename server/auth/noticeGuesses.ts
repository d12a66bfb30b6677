import type { RequestContext } from '../context';
import type { AuthDeps } from './deps';
import { queueNoticeOnceADay } from '../mail';
import type { NoticeDeps } from '../mail';
import { TRIES_FOR_STRANGERS, attemptSubject, isFirstInWindow, readAttempts } from '../security';
import { hasOwnPassword, listOpenMemberships } from './accountStore';
import type { Account } from './accountStore';
import { inTenant } from '../db/tenantScope';

type GuessDeps = NoticeDeps & Pick<AuthDeps, 'db'>;

/**
 * Mails the owner of an account that guessing has locked it for strangers: either for the rest of
 * the window, or until they sign in or are unlocked. Each kind is sent at most once a day. It runs
 * beside the answer, and does the same look-ups for an account that does not exist, so neither the
 * answer nor its time reveals which it was.
 * @param subject the key under which the account's failures are counted
 */
export function noticeGuesses(
  deps: GuessDeps,
  ctx: RequestContext,
  { account, subject }: { account: Account | undefined; subject: string },
): void {
  if (!deps.mail.isAvailable()) return;
  deps.mail.aside(async () => {
    const now = deps.clock.now();
    const noticeSubject = attemptSubject(deps.keys, 'told-of-guesses', subject);
    const counts = await readAttempts(deps.db, [{ scope: 'account', subject }], now);
    const forGood = (counts.get('account')?.tries ?? 0) >= TRIES_FOR_STRANGERS;
    // Once per window for each state, so that a flood of tries does not cause a flood of look-ups.
    const key = { scope: 'account' as const, subject: `${noticeSubject}${forGood ? '+' : ''}` };
    if (!(await isFirstInWindow(deps.db, key, now))) return;
    // A person without a password has none that could be guessed.
    const membership =
      account && hasOwnPassword(account) ? listOpenMemberships(account)[0] : undefined;
    if (!membership) return;
    const kind = forGood ? ('account_closed' as const) : ('account_guessed' as const);
    await inTenant(deps.db, membership.tenantId, (tx) =>
      queueNoticeOnceADay(deps, tx, ctx, membership, { kind }),
    );
    deps.mail.wake();
  });
}
