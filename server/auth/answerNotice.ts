import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { AuthDeps } from './deps';
import { AppError } from '../errors';
import { isAboutPassword, readNoticeToken } from '../mail';
import type { NoticeKind } from '../audit';
import { MINUTE_MS } from '../durations';
import { distrustSessions } from './distrustSessions';
import { withSessionTable } from './withSessionTable';
import { inTenant } from '../db/tenantScope';

type AnswerDeps = Pick<
  AuthDeps,
  'db' | 'keys' | 'clock' | 'schemaGuard' | 'riskFacts' | 'logger' | 'metrics'
>;

/**
 * The event behind a notice began shortly before its mail was queued, and node clocks differ by
 * seconds at most.
 */
const MARGIN_MS = MINUTE_MS;

/**
 * Checks the link in a notice. It changes nothing, because mail scanners fetch links.
 * @returns the kind of the notice
 * @throws AppError NOT_FOUND for an unknown, forged or expired link, without distinguishing them
 */
export async function readNoticeLink(
  deps: Pick<AuthDeps, 'db' | 'keys' | 'clock'>,
  token: string,
): Promise<NoticeKind> {
  const notice = await readNoticeToken(deps, token);
  if (!notice) throw new AppError('NOT_FOUND');
  return notice.kind;
}

/**
 * Handles a recipient's answer to a notice: "this was not me". It ends all their sessions in the
 * notice's tenant, forgets what those sessions taught the risk scorer, and makes the next login
 * need a step-up proof. If the notice was about a use of the password, it also expires the password
 * and ends their sessions in every tenant. The link proves access to the mailbox; it does not sign
 * anybody in. A second call ends what has begun since the first.
 * @returns the kind of the notice
 * @throws AppError NOT_FOUND for an unknown, forged or expired link, without distinguishing them
 */
export async function answerNotice(
  deps: AnswerDeps,
  ctx: RequestContext,
  token: string,
): Promise<NoticeKind> {
  const notice = await readNoticeToken(deps, token);
  if (!notice) throw new AppError('NOT_FOUND');
  const { tenantId, staffId, kind, createdAt } = notice;
  const since = new Date(createdAt.getTime() - MARGIN_MS);
  const setBefore = new Date(createdAt.getTime() + MARGIN_MS);
  const { staff } = await withSessionTable(deps, (mode) =>
    inTenant(deps.db, tenantId, async (tx) => {
      const reason = 'security_event' as const;
      const done = await distrustSessions(deps, tx, ctx, mode, {
        ...{ tenantId, staffId, since, via: 'notice' as const, reason },
        ...(isAboutPassword(kind) ? { passwordUsed: { setBefore } } : {}),
      });
      const { passwordExpired } = done;
      await recordAudit(tx, ctx, {
        action: 'NOTICE_ANSWERED',
        outcome: 'success',
        tenantId,
        subject: `staff:${staffId}`,
        details: { kind, ...(passwordExpired ? { passwordExpired } : {}) },
      });
      return done;
    }),
  );
  for (const one of staff) deps.riskFacts.forget(one.tenantId, one.staffId);
  return kind;
}
