import { SSO_REFUSALS } from '../../audit';
import type { Principal, RequestContext } from '../../context';
import { assertRowId } from '../../db/ids';
import { AppError } from '../../errors';
import type { SsoDeps } from '../deps';
import { openClaims } from './attemptSecrets';
import { findTry } from './ssoAttemptStore';
import type { AttemptRow } from './ssoAttemptStore';
import { beginAttempt } from './beginAttempt';
import type { AttemptingPerson, BegunAttempt } from './beginAttempt';
import { findClient } from './clientStore';

/**
 * Returns the person of a signed-in session.
 * @throws AppError UNAUTHENTICATED for tokens without a session
 */
export function attemptingPerson({ staffId, userId, sessionId }: Principal): AttemptingPerson {
  if (sessionId === null) throw new AppError('UNAUTHENTICATED');
  return { staffId, userId, sessionId };
}

/**
 * Sends an administrator to the provider of a connection, to see what it answers.
 * @throws AppError NOT_FOUND; TOO_MANY_SSO_ATTEMPTS; SSO_UNAVAILABLE
 */
export async function tryConnection(
  deps: SsoDeps,
  ctx: RequestContext,
  principal: Principal,
  connectionId: string,
): Promise<BegunAttempt> {
  assertRowId(connectionId);
  const client = await findClient(deps.db, principal.tenantId, connectionId);
  if (!client) throw new AppError('NOT_FOUND');
  const person = attemptingPerson(principal);
  return beginAttempt(deps, ctx, client, { kind: 'try', person, rememberMe: false });
}

const stateOf = (
  { finishedAt, outcome, expiresAt }: AttemptRow,
  now: Date,
): 'open' | 'expired' | 'done' | 'refused' => {
  if (finishedAt !== null) return outcome === 'done' ? 'done' : 'refused';
  return expiresAt > now ? 'open' : 'expired';
};

/** @returns null if the key that sealed them is no longer configured */
function openShown(keys: SsoDeps['keys'], attempt: AttemptRow, sealed: Buffer) {
  try {
    return openClaims(keys, attempt, sealed) as Record<string, unknown>;
  } catch {
    return null;
  }
}

/**
 * Shows the outcome of a try to the administrator who made it.
 * @returns the claims that the provider has signed, if the signature was right, and the reason if it
 * would be refused
 * @throws AppError NOT_FOUND, also for a try of somebody else
 */
export async function showTry(
  { db, keys, clock }: Pick<SsoDeps, 'db' | 'keys' | 'clock'>,
  { tenantId, staffId }: Principal,
  { connectionId, id }: { connectionId: string; id: string },
) {
  assertRowId(connectionId);
  assertRowId(id);
  const attempt = await findTry(db, tenantId, { id, connectionId, staffId });
  if (!attempt) throw new AppError('NOT_FOUND');
  const { claimsSealed, outcome, createdAt, expiresAt, finishedAt } = attempt;
  const state = stateOf(attempt, clock.now());
  const claims = claimsSealed === null ? null : openShown(keys, attempt, claimsSealed);
  const reason = SSO_REFUSALS.find((one) => one === outcome) ?? null;
  return { id, state, reason, claims, createdAt, expiresAt, finishedAt };
}
