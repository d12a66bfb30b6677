import { databaseFault } from '../db/pgErrors';
import type { Kernel } from '../kernel';

/** `degraded`: `user_sessions` is missing, and only `session_version` can revoke tokens. */
export type SessionMode = 'normal' | 'degraded';

/**
 * Runs work that needs `user_sessions`, and runs it again without the table if it turns out to be
 * missing: that outage must not break a login. Any other missing table is an error.
 * @param work runs its own transaction, so a missing table leaves nothing of it behind
 */
export async function withSessionTable<T>(
  deps: Pick<Kernel, 'schemaGuard'>,
  work: (mode: SessionMode) => Promise<T>,
): Promise<T> {
  if (deps.schemaGuard.missing().includes('user_sessions')) return work('degraded');
  try {
    return await work('normal');
  } catch (error) {
    if (databaseFault(error) !== 'missing_table') throw error;
    // The error names the table only in its message, so check the catalogue instead.
    const { missing } = await deps.schemaGuard.checkTables();
    if (!missing.includes('user_sessions')) throw error;
    return work('degraded');
  }
}
