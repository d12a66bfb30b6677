import { recordAudit } from '../../audit';
import type { Principal, RequestContext } from '../../context';
import type { Db, Tx } from '../../db';
import type { SecurityDeps } from '../deps';
import { AppError } from '../../errors';
import { DAY_SEC, HOUR_SEC } from '../../durations';
import { COUNTERS_KEPT_DAYS, attemptSubject } from '../risk/attempts';
import { countEnrolmentTry, dropPendingTotp } from './enrolmentStore';
import type { TotpRow } from './totpStore';

/** The limit for each kind of factor. A person who scans the wrong code needs about three. */
const STARTS = { most: 10, windowSec: HOUR_SEC };
/** The limit for one secret, however long it waits. */
const CONFIRMATIONS = { most: 10, windowSec: COUNTERS_KEPT_DAYS * DAY_SEC };

type EnrolDeps = Pick<SecurityDeps, 'keys'>;

/**
 * Admits the start of an enrolment, unless this person has started too many. Only the first start
 * of an hour is audited: the later ones replace it, and the enrolled factor gets its own event.
 * @throws AppError TOO_MANY_ATTEMPTS
 */
export async function admitEnrolment(
  deps: EnrolDeps,
  tx: Tx,
  ctx: RequestContext,
  { tenantId, staffId }: Principal,
  what: { factor: 'totp' | 'passkey'; subject: string },
): Promise<void> {
  const whose = `${what.factor}/${tenantId}/${staffId}`;
  const counted = await countEnrolmentTry(
    tx,
    attemptSubject(deps.keys, 'enrolment', whose),
    STARTS,
  );
  if ('retryAfterSec' in counted) {
    throw new AppError('TOO_MANY_ATTEMPTS', {
      detail: 'Too many enrolments were begun. Try again after the time in Retry-After.',
      headers: { 'retry-after': String(counted.retryAfterSec) },
    });
  }
  if (counted.count > 1) return;
  await recordAudit(tx, ctx, {
    action: 'FACTOR_ENROLLMENT_STARTED',
    outcome: 'success',
    subject: what.subject,
    details: { factor: what.factor },
  });
}

const confirmations = (deps: EnrolDeps, { id }: TotpRow) =>
  attemptSubject(deps.keys, 'enrolment-code', id);

/**
 * Takes one of the tries of a pending secret before the code is checked, so that parallel guesses
 * cannot share one.
 * @returns whether it is the last one
 * @throws AppError NOT_FOUND if none is left; the secret is deleted then
 */
export async function takeConfirmation(
  deps: EnrolDeps & { db: Db },
  pending: TotpRow,
): Promise<{ last: boolean }> {
  const counted = await countEnrolmentTry(deps.db, confirmations(deps, pending), CONFIRMATIONS);
  if ('count' in counted) return { last: counted.count >= CONFIRMATIONS.most };
  await dropPendingTotp(deps.db, pending.tenantId, pending.id);
  throw new AppError('NOT_FOUND', { detail: 'No enrolment is open. Begin one first.' });
}
