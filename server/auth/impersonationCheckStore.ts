import { and, eq, isNull, sql } from 'drizzle-orm';
import type { Pool } from 'pg';
import { runPrepared } from '../db';
import type { Db, PreparedStatement, Tx } from '../db';
import { impersonations } from '../db/schema';
import type { ImpersonationScope } from '../db/schema';
import { inTenant } from '../db/tenantScope';
import { sessionKey } from './sessionStore';

/** The state against which each request of an impersonation is checked. */
export interface LiveImpersonation {
  id: string;
  tenantId: string;
  /** The subject. */
  userId: string;
  staffId: string;
  /** The subject's version at the start. */
  sessionVersion: number;
  actorUserId: string;
  actorStaffId: string;
  actorSessionId: string;
  scope: ImpersonationScope;
  /** Those that both people hold now. */
  permissions: string[];
  email: string;
  name: string | null;
  actorEmail: string;
  actorName: string | null;
  tenantSlug: string;
  tenantName: string;
  /** Milliseconds since the epoch. */
  startedAt: number;
  /** Its own end or that of the actor's session, whichever is earlier. */
  endsAt: number;
  /** Why it is over, or has to end now; null while it runs. */
  over: string | null;
}

const LIVE_IMPERSONATIONS: PreparedStatement = {
  name: 'live_impersonations',
  text: 'SELECT * FROM gatehouse_live_impersonations($1, $2, $3)',
};

/**
 * Reads the state of many impersonations in one round trip, each within the tenant in its own signed
 * token, as `readLiveSessions` does for sessions.
 * @param keys keys from `sessionKey`
 */
export async function readLiveImpersonations(
  pool: Pool,
  keys: readonly string[],
  now: Date,
): Promise<Map<string, LiveImpersonation>> {
  const asked = keys.map((key) => key.split('/'));
  const rows = await runPrepared<LiveImpersonation>(pool, LIVE_IMPERSONATIONS, [
    asked.map(([, id]) => id),
    asked.map(([tenantId]) => tenantId),
    now,
  ]);
  return new Map(rows.map((row) => [sessionKey(row.tenantId, row.id), row]));
}

/**
 * Returns why an impersonation is over, or has to end now; null while it runs.
 * @param query.now the database's clock counts without it
 */
export async function findOver(
  tx: Tx,
  tenantId: string,
  { id, now }: { id: string; now?: Date },
): Promise<string | null> {
  const at = now ? sql`${now.toISOString()}::timestamptz` : sql`clock_timestamp()`;
  const { rows } = await tx.execute<{ over: string | null }>(
    sql`SELECT over FROM gatehouse_live_impersonations(ARRAY[${id}]::uuid[], ARRAY[${tenantId}]::uuid[], ${at})`,
  );
  return rows[0] ? rows[0].over : 'unknown';
}

/**
 * Holds an impersonation until the end of the transaction, so that its end waits for an act in it.
 * @returns false if it is over by now
 */
export function holdImpersonation(tx: Tx, tenantId: string, id: string): Promise<boolean> {
  return inTenant(tx, tenantId, async (own) => {
    const rows = await own
      .select({ id: impersonations.id })
      .from(impersonations)
      .where(and(eq(impersonations.tenantId, tenantId), eq(impersonations.id, id)))
      .for('no key update');
    return rows.length === 1 && (await findOver(own, tenantId, { id })) === null;
  });
}

/** Notes that an impersonation was used from an address that is not allowed, which ends it. */
export function markAddressRefused(
  db: Db,
  tenantId: string,
  { id, now }: { id: string; now: Date },
): Promise<void> {
  return inTenant(db, tenantId, async (tx) => {
    await tx
      .update(impersonations)
      .set({ addressRefusedAt: now })
      .where(
        and(
          eq(impersonations.tenantId, tenantId),
          eq(impersonations.id, id),
          isNull(impersonations.addressRefusedAt),
          isNull(impersonations.endedAt),
        ),
      );
  });
}
