import type { Db } from '../db';
import type { RevokeReason } from '../db/schema';
import type { Kernel } from '../kernel';
import { AppError } from '../errors';
import { findTokenEnd } from './refreshTokenStore';
import { findSessionEnd } from './sessionStore';
import { withSessionTable } from './withSessionTable';

/**
 * Reasons for which someone or something else ends a person's sessions. The person must learn of
 * the end and its reason.
 */
const FORCED = ['reuse_detected', 'security_event', 'force_logout'] as const;
export type ForcedReason = (typeof FORCED)[number];

/** @returns the reason if the session was forcibly ended; undefined for any other end, or none */
export const toForced = (reason: RevokeReason | null | undefined): ForcedReason | undefined =>
  FORCED.find((forced) => forced === reason);

/** The API contract fixes the body: the reason and nothing else. */
export const forcedLogout = (reason: ForcedReason, headers: Record<string, string> = {}) =>
  new AppError('FORCE_LOGOUT', { extra: { reason }, headers });

/**
 * Finds why a chain of refresh tokens was forcibly ended. It looks at the session first, because a
 * rotated link keeps `rotation` as its reason, and then at the links of the chain, because there
 * may be no session.
 */
export async function findForcedEnd(
  deps: Pick<Kernel, 'schemaGuard'> & { db: Db },
  tenantId: string,
  chain: { familyId: string; sessionId: string | null },
): Promise<ForcedReason | undefined> {
  const { sessionId } = chain;
  const ofSession = await withSessionTable(deps, async (mode) =>
    mode === 'degraded' || sessionId === null ? null : findSessionEnd(deps.db, tenantId, sessionId),
  );
  if (ofSession !== null) return toForced(ofSession);
  return toForced(await findTokenEnd(deps.db, tenantId, { ...chain, reasons: FORCED }));
}
