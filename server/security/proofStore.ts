import { and, desc, eq, isNull } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { stepUpChallenges } from '../db/schema';
import type { StepUpPurpose } from '../db/schema';
import { notEnded, verifiedSince } from './challengeStore';

/**
 * The newest proof that this session gave for this purpose, younger than the window and not used up. One that was given
 * for an act opens that act alone; one that was given for a window of time opens no act.
 * @returns its id, for {@link consumeSessionProof} if it guards one act
 */
export async function findFreshStepUp(
  db: Db,
  tenantId: string,
  query: {
    sessionId: string;
    purpose: StepUpPurpose;
    actDigest: string | null;
    windowSec: number;
    now: Date;
  },
): Promise<string | undefined> {
  const { actDigest } = query;
  const [row] = await db
    .select({ id: stepUpChallenges.id })
    .from(stepUpChallenges)
    .where(
      and(
        eq(stepUpChallenges.tenantId, tenantId),
        eq(stepUpChallenges.sessionId, query.sessionId),
        eq(stepUpChallenges.purpose, query.purpose),
        // A proof that let a login or a refresh through opens nothing else.
        eq(stepUpChallenges.origin, 'session'),
        actDigest === null
          ? isNull(stepUpChallenges.actDigest)
          : eq(stepUpChallenges.actDigest, actDigest),
        verifiedSince(query.now, query.windowSec),
        isNull(stepUpChallenges.consumedAt),
      ),
    )
    .orderBy(desc(stepUpChallenges.verifiedAt))
    .limit(1);
  return row?.id;
}

/** Uses a proof up in one statement: of two acts at once it lets one through. @returns false if it was used or ended */
export async function consumeSessionProof(
  tx: Tx,
  tenantId: string,
  query: { id: string; now: Date },
): Promise<boolean> {
  const rows = await tx
    .update(stepUpChallenges)
    .set({ consumedAt: query.now })
    .where(
      and(
        eq(stepUpChallenges.tenantId, tenantId),
        eq(stepUpChallenges.id, query.id),
        isNull(stepUpChallenges.consumedAt),
        notEnded(),
      ),
    )
    .returning({ id: stepUpChallenges.id });
  return rows.length === 1;
}

/**
 * Gives a proof back that an act used up in this process and then could not be done. Conditional on the moment at which it was
 * used, so that a repeat gives nothing back that another act has used since.
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
