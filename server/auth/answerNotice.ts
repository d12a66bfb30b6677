import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { readNoticeToken } from '../mail';
import { invalidateSessions } from './invalidateSessions';
import { withSessionTable } from './withSessionTable';

type AnswerDeps = Pick<Deps, 'db' | 'keys' | 'clock' | 'schemaGuard' | 'riskFacts'>;

/**
 * Checks a notice's link, and changes nothing: mail scanners fetch links.
 * @throws AppError NOT_FOUND for an unknown, forged or expired one, alike
 */
export async function assertNoticeLink(deps: AnswerDeps, token: string): Promise<void> {
  if (!(await readNoticeToken(deps, token))) throw new AppError('NOT_FOUND');
}

/**
 * Ends every session of the person whom a notice was sent to, in its tenant: they say that it was not them. Whoever
 * holds the link can read their mail; they are not signed in. Doing it again ends what has begun since.
 * @throws AppError NOT_FOUND for an unknown, forged or expired link, alike
 */
export async function answerNotice(
  deps: AnswerDeps,
  ctx: RequestContext,
  token: string,
): Promise<void> {
  const notice = await readNoticeToken(deps, token);
  if (!notice) throw new AppError('NOT_FOUND');
  const { tenantId, staffId, kind } = notice;
  await withSessionTable(deps, (mode) =>
    deps.db.transaction(async (tx) => {
      const what = { staffId, reason: 'security_event' as const, now: deps.clock.now() };
      await invalidateSessions(tx, ctx, mode, tenantId, what);
      await recordAudit(tx, ctx, {
        action: 'NOTICE_ANSWERED',
        outcome: 'success',
        tenantId,
        subject: `staff:${staffId}`,
        details: { kind },
      });
    }),
  );
  deps.riskFacts.forget(tenantId, staffId);
}
