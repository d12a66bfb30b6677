import { and, eq, isNull, sql } from 'drizzle-orm';
import type { Db, Tx } from '../../db';
import { passkeyRegistrations, userTotp } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';

/**
 * Counters are kept in `failed_attempts`, scope `enrolment`. All nodes share them, so the
 * database's clock is used.
 */
const COUNT = (subject: string, most: number, windowSec: number) => {
  const over = sql`a.window_started_at <= now() - make_interval(secs => ${windowSec})`;
  return sql`INSERT INTO failed_attempts AS a (scope, subject, failures, window_started_at, updated_at)
    VALUES ('enrolment', ${subject}, 1, now(), now())
    ON CONFLICT (scope, subject) DO UPDATE SET
      failures = CASE WHEN ${over} THEN 1 ELSE a.failures + 1 END,
      window_started_at = CASE WHEN ${over} THEN now() ELSE a.window_started_at END,
      updated_at = now()
      WHERE ${over} OR a.failures < ${most}
    RETURNING failures AS count`;
};

export type CountedTry = { count: number } | { retryAfterSec: number };

/**
 * Counts one try in a window, in one statement: of many at once at most `most` are admitted.
 * @returns the number of this try in the window; or, if the window is full, the seconds until it
 * ends
 */
export async function countEnrolmentTry(
  db: Db | Tx,
  subject: string,
  { most, windowSec }: { most: number; windowSec: number },
): Promise<CountedTry> {
  const { rows } = await db.execute<{ count: number }>(COUNT(subject, most, windowSec));
  if (rows[0]) return { count: rows[0].count };
  const { rows: full } = await db.execute<{ left: number }>(
    sql`SELECT ceil(extract(epoch FROM window_started_at + make_interval(secs => ${windowSec}) - now()))::int AS left
        FROM failed_attempts WHERE scope = 'enrolment' AND subject = ${subject}`,
  );
  return { retryAfterSec: Math.max(1, full[0]?.left ?? 1) };
}

/** Deletes an unconfirmed enrolment. */
export function dropPendingTotp(db: Db, tenantId: string, id: string): Promise<void> {
  return inTenant(db, tenantId, async (tx) => {
    await tx
      .delete(userTotp)
      .where(
        sql`${userTotp.tenantId} = ${tenantId} AND ${userTotp.id} = ${id} AND ${userTotp.confirmedAt} IS NULL`,
      );
  });
}

/**
 * Deletes the unfinished enrolments of a staff member. Only the start of an enrolment needs a
 * proof, so none may outlive a change of the factors: otherwise one that was started while there
 * was nothing to prove with could add a factor beside the first one without a proof.
 */
export async function endEnrolments(tx: Tx, tenantId: string, staffId: string): Promise<void> {
  await tx
    .delete(userTotp)
    .where(
      and(
        eq(userTotp.tenantId, tenantId),
        eq(userTotp.staffId, staffId),
        isNull(userTotp.confirmedAt),
      ),
    );
  await tx
    .delete(passkeyRegistrations)
    .where(
      and(eq(passkeyRegistrations.tenantId, tenantId), eq(passkeyRegistrations.staffId, staffId)),
    );
}
