import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { databaseFault } from '../db/pgErrors';
import { DAY_MS } from '../durations';
import type { MailDeps } from './deps';
import { readAddressee, wasMailedSince } from './mailStore';
import { toNoticeLink } from './noticeLink';
import { writeNotice } from './noticeTexts';
import type { FactorChange, Notice } from './noticeTexts';
import { queueMail } from './queueMail';

export type NoticeDeps = Pick<
  MailDeps,
  'keys' | 'clock' | 'random' | 'mail' | 'logger' | 'metrics'
>;

interface Staff {
  tenantId: string;
  staffId: string;
}

/** Longer than a weekend without a mail server. */
const WORTH_SENDING_MS = 3 * DAY_MS;

async function queue(
  deps: NoticeDeps,
  tx: Tx,
  ctx: RequestContext,
  staff: Staff,
  notice: Notice,
): Promise<void> {
  const addressee = await readAddressee(tx, staff.tenantId, staff.staffId);
  if (!addressee) return;
  const { email, userId, tenantName } = addressee;
  const id = deps.random.id();
  const at = deps.clock.now();
  const { publicUrl } = deps.mail;
  const link = publicUrl === undefined ? undefined : toNoticeLink(deps.keys, publicUrl, id);
  await queueMail(deps, tx, {
    ...{ id, tenantId: staff.tenantId, staffId: staff.staffId, userId },
    to: email,
    kind: notice.kind,
    ...writeNotice(notice, { tenantName, at, ctx, link }),
    expiresAt: new Date(at.getTime() + WORTH_SENDING_MS),
  });
}

/**
 * Queues a mail about an event in a person's account, in the transaction of that event. Call
 * `deps.mail.wake()` once it has been committed. If mail is not available, nothing happens. If the
 * mail table is missing, the mail is skipped with an error in the log: ending an attacker's
 * sessions must not wait for it.
 * @param ctx the request that the notice is about
 * @throws any other database error
 */
export async function queueNotice(
  deps: NoticeDeps,
  tx: Tx,
  ctx: RequestContext,
  staff: Staff,
  notice: Notice,
): Promise<void> {
  if (!deps.mail.isAvailable()) return;
  try {
    await tx.transaction((inner) => queue(deps, inner, ctx, staff, notice));
  } catch (err) {
    if (databaseFault(err) !== 'missing_table') throw err;
    deps.metrics.backgroundFailures.inc({ task: 'queue_notice' });
    deps.logger.error({ err, kind: notice.kind }, 'a notice could not be queued');
  }
}

/**
 * Queues a notice about a repeated event at most once a day; see {@link queueNotice}.
 * @returns whether it was queued now
 */
export async function queueNoticeOnceADay(
  deps: NoticeDeps,
  tx: Tx,
  ctx: RequestContext,
  staff: Staff,
  notice: Notice,
): Promise<boolean> {
  if (!deps.mail.isAvailable()) return false;
  const since = new Date(deps.clock.now().getTime() - DAY_MS);
  try {
    const mailed = await tx.transaction((inner) =>
      wasMailedSince(inner, staff, { kind: notice.kind, since }),
    );
    if (mailed) return false;
  } catch (err) {
    // If the table is missing, the mail cannot be queued; `queueNotice` logs it.
    if (databaseFault(err) !== 'missing_table') throw err;
  }
  await queueNotice(deps, tx, ctx, staff, notice);
  return true;
}

/**
 * Queues a notice that a factor was added, removed or replaced; see {@link queueNotice}.
 * @param ctx the request that changed it
 */
export function noticeFactorChanged(
  deps: NoticeDeps,
  tx: Tx,
  ctx: RequestContext,
  staff: Staff,
  what: FactorChange,
): Promise<void> {
  return queueNotice(deps, tx, ctx, staff, { kind: 'factor_changed', what });
}
