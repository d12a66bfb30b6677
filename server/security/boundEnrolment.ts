import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import type { Db, Tx } from '../db';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { attemptSubject } from './attempts';
import { countEnrolmentTry, dropPendingTotp } from './enrolmentStore';
import type { TotpRow } from './totpStore';

/** Of each kind of factor: somebody who scans the wrong code needs three. */
const STARTS = { most: 10, windowSec: 3600 };
/** Of one secret, however long it waits. */
const CONFIRMATIONS = { most: 10, windowSec: 30 * 86_400 };

type EnrolDeps = Pick<Deps, 'keys'>;

/**
 * Lets an enrolment begin, unless this person has begun too many. The first of an hour is recorded; the others of that
 * hour take its place, and only what is enrolled in the end is another event.
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
      detail: 'Too many enrolments were begun.',
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
 * Takes one of the tries of a pending secret before the code is looked at, so that parallel guesses cannot share one.
 * @returns whether it is the last one
 * @throws AppError NOT_FOUND if none is left: the secret is gone
 */
export async function takeConfirmation(
  deps: EnrolDeps & { db: Db },
  pending: TotpRow,
): Promise<{ last: boolean }> {
  const counted = await countEnrolmentTry(deps.db, confirmations(deps, pending), CONFIRMATIONS);
  if ('count' in counted) return { last: counted.count >= CONFIRMATIONS.most };
  await dropPendingTotp(deps.db, pending.tenantId, pending.id);
  throw new AppError('NOT_FOUND', { detail: 'No enrolment is open: enrol first.' });
}
