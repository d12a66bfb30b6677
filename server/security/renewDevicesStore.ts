import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Tx } from '../db';
import { knownDevices } from '../db/schema';

/**
 * Gives known devices that a former key named the current key's name, once they are met again. A device that has both
 * names, since it was met by nodes with different keys, keeps the current one, and the earlier first sighting.
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
          // Whichever session taught it first.
          sessionId: sql`excluded.session_id`,
          firstSeenAt: sql`least(${knownDevices.firstSeenAt}, excluded.first_seen_at)`,
        },
      });
  }
}

/** Says which key made hashes that were just learned. */
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
