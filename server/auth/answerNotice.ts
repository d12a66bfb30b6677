import { recordAudit } from '../audit';
import type { RequestContext } from '../context';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { readNoticeToken, tellsOfPassword } from '../mail';
import type { NoticeKind } from '../mail';
import { distrustSessions } from './distrustSessions';
import { withSessionTable } from './withSessionTable';

type AnswerDeps = Pick<
  Deps,
  'db' | 'keys' | 'clock' | 'schemaGuard' | 'riskFacts' | 'logger' | 'metrics'
>;

/** What a notice tells of began shortly before its mail was queued, and clocks differ by seconds at most. */
const MARGIN_MS = 60_000;

/**
 * Checks a notice's link, and changes nothing: mail scanners fetch links.
 * @returns what the notice told of
 * @throws AppError NOT_FOUND for an unknown, forged or expired one, alike
 */
export async function readNoticeLink(
  deps: Pick<Deps, 'db' | 'keys' | 'clock'>,
  token: string,
): Promise<NoticeKind> {
  const notice = await readNoticeToken(deps, token);
  if (!notice) throw new AppError('NOT_FOUND');
  return notice.kind;
}

/**
 * Puts out whoever a notice told of: the person to whom it was sent says that it was not them. Every session of theirs
 * in the notice's tenant ends, what those sessions taught is forgotten, and the next login takes a proof. If the notice
 * told of a use of the password, the password expires too, and the sessions end in every tenant. Anyone who holds the
 * link can read their mail; they are not signed in. Doing it again ends what has begun since.
 * @returns what the notice told of
 * @throws AppError NOT_FOUND for an unknown, forged or expired link, alike
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
    deps.db.transaction(async (tx) => {
      const reason = 'security_event' as const;
      const done = await distrustSessions(deps, tx, ctx, mode, {
        ...{ tenantId, staffId, since, via: 'notice' as const, reason },
        ...(tellsOfPassword(kind) ? { passwordUsed: { setBefore } } : {}),
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
