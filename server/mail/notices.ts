import type { RequestContext } from '../context';
import type { Tx } from '../db';
import { databaseFault } from '../db/pgErrors';
import type { Deps } from '../deps';
import { readAddressee, wasMailedSince } from './mailStore';
import { toNoticeLink } from './noticeLink';
import { writeNotice } from './noticeTexts';
import type { FactorChange, Notice } from './noticeTexts';
import { queueMail } from './queueMail';

export type NoticeDeps = Pick<Deps, 'keys' | 'clock' | 'random' | 'mail' | 'logger' | 'metrics'>;

interface Staff {
  tenantId: string;
  staffId: string;
}

/** Longer than a weekend on which a mail server is away. */
const WORTH_SENDING_MS = 3 * 86_400_000;

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
 * Tells somebody by mail what happened to their account, in the transaction in which it happens; call
 * `deps.mail.wake()` once it has committed. Where mail is not available nothing happens. Without its table the mail
 * is left out, loudly: ending a thief's sessions must not wait for it.
 * @param ctx of the request that it tells of
 * @throws whatever else the database throws
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

const DAY_MS = 86_400_000;

/**
 * Tells somebody what happens again and again once a day; see {@link queueNotice}.
 * @returns whether they are told now
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
    const told = await tx.transaction((inner) =>
      wasMailedSince(inner, staff, { kind: notice.kind, since }),
    );
    if (told) return false;
  } catch (err) {
    // Without its table nobody can be told: what follows says so.
    if (databaseFault(err) !== 'missing_table') throw err;
  }
  await queueNotice(deps, tx, ctx, staff, notice);
  return true;
}

/**
 * Tells somebody that a factor of theirs was added, removed or replaced; see {@link queueNotice}.
 * @param ctx of the request that changed it
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
