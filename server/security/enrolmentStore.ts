import { sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { userTotp } from '../db/schema';

/** Counters live in `failed_attempts`, scope `enrolment`; nodes share them, by the database's clock. */
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
 * Counts one try in a window, in one statement: of many at once no more than `most` are let through.
 * @returns which one of the window it is; or, if the window is full, the seconds until it is over
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

/** Ends an enrolment that was not confirmed. */
export async function dropPendingTotp(db: Db, tenantId: string, id: string): Promise<void> {
  await db
    .delete(userTotp)
    .where(
      sql`${userTotp.tenantId} = ${tenantId} AND ${userTotp.id} = ${id} AND ${userTotp.confirmedAt} IS NULL`,
    );
}
