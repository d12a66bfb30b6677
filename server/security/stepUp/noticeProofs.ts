import type { RequestContext } from '../../context';
import type { Tx } from '../../db';
import { inTenant } from '../../db/tenantScope';
import type { SecurityDeps } from '../deps';
import { queueNotice, queueNoticeOnceADay } from '../../mail';
import type { NoticeDeps } from '../../mail';
import { isFirstInWindow, readAttempts } from '../risk/attemptStore';
import {
  BEGUN_LIMITS,
  STEP_UP_FAILURES,
  STEP_UP_TRIES,
  attemptSubject,
  begunAccountSubject,
} from '../risk/attempts';
import type { BegunLogin } from './begunLogin';
import type { Challenge } from './challengeStore';
import type { StepUpMethod } from './stepUpMethods';

/** From this number of wrong codes since the last right one, typing errors are unlikely. */
const TOLD_FROM = 3;

/**
 * Queues a notice, each at most once a day: that wrong codes followed the right password, or that
 * wrong codes have locked the second factor. Call it in the transaction that counted the wrong
 * code.
 */
export async function noticeWrongCode(
  deps: NoticeDeps,
  tx: Tx,
  ctx: RequestContext,
  challenge: Challenge,
): Promise<void> {
  // Of the counters of codes this is the highest: it also includes the person's other memberships.
  const subject = attemptSubject(deps.keys, 'person', challenge.userId);
  const counts = await readAttempts(tx, [{ scope: 'step_up', subject }], deps.clock.now());
  const { failures, tries } = counts.get('step_up') ?? { failures: 0, tries: 0 };
  if (failures >= STEP_UP_FAILURES || tries >= STEP_UP_TRIES) {
    await queueNoticeOnceADay(deps, tx, ctx, challenge, { kind: 'factor_closed' });
  } else if (challenge.origin === 'login' && tries >= TOLD_FROM) {
    await queueNoticeOnceADay(deps, tx, ctx, challenge, { kind: 'second_proof_failed' });
  }
}

/**
 * Mails a person, at most once a day, that wrong codes have locked logins that begin with the
 * second factor. It runs beside the answer, and does the same look-ups for an account that does not
 * exist, so neither the answer nor its time reveals which it was. Call it once the transaction that
 * counted the wrong code has been committed.
 */
export function noticeBegunCodes(
  deps: NoticeDeps & Pick<SecurityDeps, 'db'>,
  ctx: RequestContext,
  begun: BegunLogin,
): void {
  if (!deps.mail.isAvailable()) return;
  deps.mail.aside(async () => {
    const now = deps.clock.now();
    const subject = begunAccountSubject(deps.keys, begun.subject);
    const counts = await readAttempts(deps.db, [{ scope: 'step_up', subject }], now);
    const { failures, tries } = counts.get('step_up') ?? { failures: 0, tries: 0 };
    if (failures < BEGUN_LIMITS.failures && tries < BEGUN_LIMITS.tries) return;
    // Once per window, so that a flood of codes does not cause a flood of look-ups.
    const noticeSubject = attemptSubject(deps.keys, 'told-of-begun-codes', begun.subject);
    if (!(await isFirstInWindow(deps.db, { scope: 'step_up', subject: noticeSubject }, now)))
      return;
    if (!begun.real) return;
    const { tenantId, staffId } = begun;
    const notice = { kind: 'factor_closed', begun: true } as const;
    await inTenant(deps.db, tenantId, (tx) =>
      queueNoticeOnceADay(deps, tx, ctx, { tenantId, staffId }, notice),
    );
    deps.mail.wake();
  });
}

/** Queues a notice that a recovery code was used, in the transaction that consumes it. */
export async function noticeRecoveryCode(
  deps: NoticeDeps,
  tx: Tx,
  ctx: RequestContext,
  challenge: Pick<Challenge, 'tenantId' | 'staffId' | 'origin'>,
  method: StepUpMethod,
): Promise<void> {
  if (method !== 'recovery_code') return;
  const atLogin = challenge.origin === 'login';
  const kind = atLogin ? ('recovery_code_used_at_login' as const) : ('recovery_code_used' as const);
  await queueNotice(deps, tx, ctx, challenge, { kind });
}
