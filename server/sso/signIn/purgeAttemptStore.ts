import { and, lt, sql } from 'drizzle-orm';
import type { Db } from '../../db';
import { uuidV7 } from '../../db/ids';
import { ssoAttempts } from '../../db/schema';
import { acrossTenants } from '../../db/tenantScope';

const NO_BYTES = Buffer.alloc(16);

/**
 * Deletes a batch of attempts that began before a moment and are over by the database's clock. The
 * search is by id, which holds the time of creation, because no index does.
 * @returns how many were deleted; 0 if none is left
 */
export const purgeSsoAttempts = (db: Db, before: Date, most = 500): Promise<number> =>
  acrossTenants(db, 'purge', async (tx) => {
    const { id, expiresAt } = ssoAttempts;
    const over = and(
      lt(id, uuidV7(before.getTime(), NO_BYTES)),
      lt(expiresAt, sql`clock_timestamp()`),
    );
    const old = sql`SELECT ${id} FROM ${ssoAttempts} WHERE ${over} ORDER BY ${id} LIMIT ${most} FOR UPDATE SKIP LOCKED`;
    const { rowCount } = await tx.delete(ssoAttempts).where(sql`${id} = ANY(ARRAY(${old}))`);
    return rowCount ?? 0;
  });
