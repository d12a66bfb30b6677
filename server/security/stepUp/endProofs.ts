import type { Tx } from '../../db';
import { endChallenges } from './challengeStore';
import { endEnrolments } from './enrolmentStore';

/**
 * Ends everything that a staff member has proven, or begun to prove, and not used yet: challenges,
 * and unfinished enrolments. Call it whenever all their sessions end; the caller holds the lock of
 * the staff member's row.
 */
export async function endProofs(
  tx: Tx,
  tenantId: string,
  { staffId, now }: { staffId: string; now: Date },
): Promise<void> {
  await endEnrolments(tx, tenantId, staffId);
  await endChallenges(tx, tenantId, { staffId, now });
}
