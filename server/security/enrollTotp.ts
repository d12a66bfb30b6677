import { toString as toQrSvg } from 'qrcode';
import { recordAudit } from '../audit';
import type { Principal, RequestContext } from '../context';
import type { Deps } from '../deps';
import { AppError } from '../errors';
import { checkTotpCode, generateTotpSecret, openTotpSecret, sealTotpSecret } from './totp';
import { toOtpauthUri } from './totp';
import { confirmTotp, deleteConfirmedTotp, findPendingTotp, replacePendingTotp } from './totpStore';
import type { TotpRow } from './totpStore';

type EnrollDeps = Pick<Deps, 'db' | 'keys' | 'clock' | 'random'>;

export interface TotpEnrollment {
  factorId: string;
  /** Base32, for people who type it. */
  secret: string;
  otpauthUri: string;
  /** The same URI as a QR code, an SVG document. */
  qrSvg: string;
}

/**
 * Begins an enrolment: a secret that counts for nothing until a code from it was shown.
 */
export async function startTotpEnrollment(
  deps: EnrollDeps,
  ctx: RequestContext,
  principal: Principal,
): Promise<TotpEnrollment> {
  // What the authenticator app will show: the tenant's name and the person's e-mail.
  const { tenantId, userId, staffId, email, tenant } = principal;
  const row = { id: deps.random.id(), tenantId, userId, staffId };
  const secret = generateTotpSecret(deps.random);
  const otpauthUri = toOtpauthUri(tenant.name, email, secret);
  const secretSealed = sealTotpSecret(deps.keys, row, secret);
  await deps.db.transaction(async (tx) => {
    await replacePendingTotp(tx, { ...row, secretSealed, createdAt: deps.clock.now() });
    await recordAudit(tx, ctx, {
      action: 'FACTOR_ENROLLMENT_STARTED',
      outcome: 'success',
      subject: `factor:${row.id}`,
      details: { factor: 'totp' },
    });
  });
  return {
    factorId: row.id,
    secret,
    otpauthUri,
    qrSvg: await toQrSvg(otpauthUri, { type: 'svg' }),
  };
}

async function activate(
  deps: EnrollDeps,
  ctx: RequestContext,
  pending: TotpRow,
  step: number,
): Promise<void> {
  const now = deps.clock.now();
  await deps.db.transaction(async (tx) => {
    const removed = await deleteConfirmedTotp(tx, pending.tenantId, pending.staffId);
    if (!(await confirmTotp(tx, pending, { step, now }))) throw new AppError('NOT_FOUND');
    if (removed > 0) {
      await recordAudit(tx, ctx, {
        action: 'FACTOR_REMOVED',
        outcome: 'success',
        subject: `staff:${pending.staffId}`,
        details: { factor: 'totp', via: 'api' },
      });
    }
    await recordAudit(tx, ctx, {
      action: 'FACTOR_ENROLLED',
      outcome: 'success',
      subject: `factor:${pending.id}`,
      details: { factor: 'totp', via: 'api' },
    });
  });
}

/**
 * Ends an enrolment with a code from the new secret; that code's time step is spent by it. A factor that
 * was enrolled before is replaced.
 * @throws AppError NOT_FOUND where no enrolment is open, INVALID_CODE
 */
export async function confirmTotpEnrollment(
  deps: EnrollDeps,
  ctx: RequestContext,
  principal: Principal,
  code: string,
): Promise<{ confirmed: true; factorId: string }> {
  const { tenantId, staffId } = principal;
  const pending = await findPendingTotp(deps.db, tenantId, staffId);
  if (!pending) throw new AppError('NOT_FOUND', { detail: 'No enrolment is open: enrol first.' });
  const secret = openTotpSecret(deps.keys, pending, pending.secretSealed);
  const step = secret === null ? null : await checkTotpCode(secret, code, deps.clock.now(), null);
  if (step === null) throw new AppError('INVALID_CODE');
  await activate(deps, ctx, pending, step);
  return { confirmed: true, factorId: pending.id };
}
