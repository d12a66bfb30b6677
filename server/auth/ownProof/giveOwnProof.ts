import { recordAudit } from '../../audit';
import type { Principal, RequestContext } from '../../context';
import type { Tx } from '../../db';
import { inTenant } from '../../db/tenantScope';
import type { AuthDeps } from '../deps';
import { AppError } from '../../errors';
import { invalidToken } from '../accessTokens';
import { checkOwnPassword } from '../passwords/checkOwnPassword';
import type { ShownPassword } from '../passwords/checkOwnPassword';
import { noteOwnProof } from './ownProofStore';
import type { ProvenSession } from './ownProofStore';

/**
 * Returns the session of a request, for a proof that is noted in it.
 * @throws AppError SCHEMA_UNAVAILABLE for a token without a session
 */
export function sessionToProve({ tenantId, staffId, sessionId }: Principal): ProvenSession {
  if (sessionId !== null) return { tenantId, staffId, sessionId };
  throw new AppError('SCHEMA_UNAVAILABLE', {
    detail: 'A proof is noted in a session, and this token has none. Sign in again later.',
  });
}

/** Records that a person has proven themselves in a session. */
export async function recordOwnProof(
  tx: Tx,
  ctx: RequestContext,
  session: ProvenSession,
  how: { with: 'current_password' | 'mailed_link' },
): Promise<void> {
  await recordAudit(tx, ctx, {
    action: 'OWN_PROOF_GIVEN',
    outcome: 'success',
    tenantId: session.tenantId,
    subject: `session:${session.sessionId}`,
    details: { with: how.with },
  });
}

/**
 * Notes in the caller's session that they have proven themselves, by their current password. Wrong
 * passwords count like failed sign-ins. It changes nothing else: it is no step-up.
 * @throws AppError WRONG_PASSWORD, NO_PASSWORD, TOO_MANY_ATTEMPTS, HASHING_BUSY, CONFLICT; UNAUTHENTICATED if the
 * session has ended; SCHEMA_UNAVAILABLE for a token without a session
 */
export async function giveOwnProof(
  deps: AuthDeps,
  ctx: RequestContext,
  principal: Principal,
  shown: ShownPassword,
): Promise<void> {
  const session = sessionToProve(principal);
  await checkOwnPassword(deps, ctx, principal, shown, 'OWN_PROOF_REFUSED');
  await inTenant(deps.db, session.tenantId, async (tx) => {
    const now = deps.clock.now();
    if (!(await noteOwnProof(tx, session, now))) throw invalidToken();
    await recordOwnProof(tx, ctx, session, { with: 'current_password' });
  });
}
