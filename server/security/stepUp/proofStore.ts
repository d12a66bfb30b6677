import { and, desc, eq, inArray, isNull } from 'drizzle-orm';
import type { Db, Tx } from '../../db';
import { stepUpChallenges } from '../../db/schema';
import type { StepUpPurpose } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';
import { consumeChallenges, notEnded, verifiedSince } from './challengeStore';

/**
 * Finds the newest proof of this session for this purpose that is younger than the window and
 * unused. A proof given for an act is valid only for that act; one given for a window of time is
 * not valid for an act.
 * @returns its id, for {@link consumeSessionProof} if it guards one act, and when it was given
 */
export function findFreshStepUp(
  db: Db,
  tenantId: string,
  query: {
    sessionId: string;
    purpose: StepUpPurpose;
    /** The digests of the act under each accepted key; null for a proof of a window of time. */
    actDigests: readonly string[] | null;
    windowSec: number;
    now: Date;
  },
): Promise<{ id: string; verifiedAt: Date | null } | undefined> {
  return inTenant(db, tenantId, async (tx) => {
    const { actDigests } = query;
    const [row] = await tx
      .select({ id: stepUpChallenges.id, verifiedAt: stepUpChallenges.verifiedAt })
      .from(stepUpChallenges)
      .where(
        and(
          eq(stepUpChallenges.tenantId, tenantId),
          eq(stepUpChallenges.sessionId, query.sessionId),
          eq(stepUpChallenges.purpose, query.purpose),
          // A proof that let a login or a refresh through is not valid for anything else.
          eq(stepUpChallenges.origin, 'session'),
          actDigests === null
            ? isNull(stepUpChallenges.actDigest)
            : inArray(stepUpChallenges.actDigest, [...actDigests]),
          verifiedSince(query.now, query.windowSec),
          isNull(stepUpChallenges.consumedAt),
        ),
      )
      .orderBy(desc(stepUpChallenges.verifiedAt))
      .limit(1);
    return row;
  });
}

/**
 * Consumes a proof in one statement: of two concurrent acts it lets one through.
 * @returns false if the proof was used or ended
 */
export async function consumeSessionProof(
  tx: Tx,
  tenantId: string,
  query: { id: string; now: Date },
): Promise<boolean> {
  const proof = and(
    eq(stepUpChallenges.tenantId, tenantId),
    eq(stepUpChallenges.id, query.id),
    notEnded(),
  );
  return (await consumeChallenges(tx, proof, query.now)).length === 1;
}

/**
 * Gives back a proof that an act in this process consumed but could not complete. It compares the
 * time of consumption, so that a repeated call cannot give back a proof that another act has used
 * since.
 */
export async function restoreSessionProof(
  tx: Tx,
  tenantId: string,
  spent: { id: string; at: Date },
): Promise<boolean> {
  const rows = await tx
    .update(stepUpChallenges)
    .set({ consumedAt: null })
    .where(
      and(
        eq(stepUpChallenges.tenantId, tenantId),
        eq(stepUpChallenges.id, spent.id),
        eq(stepUpChallenges.consumedAt, spent.at),
        notEnded(),
      ),
    )
    .returning({ id: stepUpChallenges.id });
  return rows.length === 1;
}
