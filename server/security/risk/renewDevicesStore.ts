import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Tx } from '../../db';
import { knownDevices } from '../../db/schema';

/**
 * Renames known devices from a former key's hash to the current key's when they are seen again. If
 * both hashes exist, because nodes with different keys have seen the device, the current one stays,
 * with the earlier first sighting.
 */
export async function renewKnownDevices(
  tx: Tx,
  tenantId: string,
  query: { staffId: string; renewed: ReadonlyMap<string, string>; keyId: string },
): Promise<void> {
  const { staffId, renewed, keyId } = query;
  const ofStaff = and(eq(knownDevices.tenantId, tenantId), eq(knownDevices.staffId, staffId));
  for (const [former, current] of renewed) {
    const [old] = await tx
      .delete(knownDevices)
      .where(and(ofStaff, eq(knownDevices.deviceHash, former)))
      .returning();
    if (!old) continue;
    await tx
      .insert(knownDevices)
      .values({ ...old, deviceHash: current, keyId })
      .onConflictDoUpdate({
        target: [knownDevices.staffId, knownDevices.deviceHash],
        set: {
          keyId,
          // Keep the session that taught the device first.
          sessionId: sql`excluded.session_id`,
          byProvider: sql`${knownDevices.byProvider} AND excluded.by_provider`,
          firstSeenAt: sql`least(${knownDevices.firstSeenAt}, excluded.first_seen_at)`,
        },
      });
  }
}

/** Stores which key made hashes that were just learnt. */
export async function nameKeyOfDevices(
  tx: Tx,
  tenantId: string,
  query: { staffId: string; deviceHashes: readonly string[]; keyId: string },
): Promise<void> {
  const { staffId, deviceHashes, keyId } = query;
  if (deviceHashes.length === 0) return;
  await tx
    .update(knownDevices)
    .set({ keyId })
    .where(
      and(
        eq(knownDevices.tenantId, tenantId),
        eq(knownDevices.staffId, staffId),
        inArray(knownDevices.deviceHash, [...deviceHashes]),
        sql`${knownDevices.keyId} IS DISTINCT FROM ${keyId}`,
      ),
    );
}
