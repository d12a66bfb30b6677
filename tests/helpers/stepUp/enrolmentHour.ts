import { eq, sql } from 'drizzle-orm';
import { db } from '@/server/db';
import { failedAttempts } from '@/server/db/schema';

/**
 * Moves only the counters of begun enrolments an hour back, because they use the database's clock.
 */
export async function passEnrolmentHour(): Promise<void> {
  await db
    .update(failedAttempts)
    .set({ windowStartedAt: sql`${failedAttempts.windowStartedAt} - interval '1 hour'` })
    .where(eq(failedAttempts.scope, 'enrolment'));
}
