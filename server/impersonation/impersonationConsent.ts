import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import { inTenant } from '../db/tenantScope';
import { DAY_MS } from '../durations';
import { AppError } from '../errors';
import { findConsent, withdrawConsent, writeConsent } from './consentStore';
import type { GivenConsent } from './consentStore';
import type { ImpersonationDeps } from './deps';
import { endImpersonation } from './endImpersonation';
import { listRunningIn, shortenRunning } from './runningStore';

const LONGEST_MS = 30 * DAY_MS;

/** Returns the consent of the caller that is in force, or undefined. */
export const findOwnConsent = (
  { db, clock }: Pick<ImpersonationDeps, 'db' | 'clock'>,
  { tenantId, staffId }: Principal,
): Promise<GivenConsent | undefined> => findConsent(db, tenantId, { staffId, now: clock.now() });

/**
 * Allows others to act as the caller until a time that the caller chooses, in the place of an
 * earlier consent. An impersonation that rests on that one ends no later.
 * @throws AppError INVALID_INPUT for a time that is past, or more than 30 days ahead
 */
export async function giveConsent(
  deps: Pick<ImpersonationDeps, 'db' | 'clock'>,
  ctx: RequestContext,
  { tenantId, staffId, userId }: Principal,
  until: Date,
): Promise<GivenConsent> {
  const givenAt = deps.clock.now();
  const ahead = until.getTime() - givenAt.getTime();
  if (ahead <= 0 || ahead > LONGEST_MS) {
    throw new AppError('INVALID_INPUT', {
      detail: 'Choose a time from now on, and at most 30 days ahead.',
      extra: { issues: [{ path: 'until', message: 'must be within the next 30 days' }] },
    });
  }
  const consent = { givenAt, expiresAt: until };
  await inTenant(deps.db, tenantId, async (tx) => {
    await writeConsent(tx, tenantId, { staffId, userId, ...consent });
    await shortenRunning(tx, tenantId, { staffId, until });
    await recordAudit(tx, ctx, {
      action: 'IMPERSONATION_CONSENT_GIVEN',
      outcome: 'success',
      subject: `staff:${staffId}`,
      details: { until: until.toISOString(), via: 'api' },
    });
  });
  return consent;
}

/**
 * Withdraws the caller's consent, and ends the impersonations that rest on it.
 * @throws AppError NOT_FOUND if there is none
 */
export async function takeConsentBack(
  deps: ImpersonationDeps,
  ctx: RequestContext,
  { tenantId, staffId }: Principal,
): Promise<void> {
  await inTenant(deps.db, tenantId, async (tx) => {
    const now = deps.clock.now();
    const consent = await withdrawConsent(tx, tenantId, { staffId, now });
    if (!consent) throw new AppError('NOT_FOUND');
    await recordAudit(tx, ctx, {
      action: 'IMPERSONATION_CONSENT_WITHDRAWN',
      outcome: 'success',
      subject: `staff:${staffId}`,
      details: { until: consent.expiresAt.toISOString(), via: 'api' },
    });
    for (const { id, consent: asked } of await listRunningIn(tx, tenantId, staffId)) {
      if (asked !== 'required') continue;
      const how = { end: 'consent_ended' as const, by: staffId };
      await endImpersonation(deps, tx, ctx, { tenantId, id }, how);
    }
  });
  deps.mail.wake();
}
