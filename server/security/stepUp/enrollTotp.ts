import { toString as toQrSvg } from 'qrcode';
import { recordAudit } from '../../audit';
import { LONGEST_STEP_UP_WINDOW_SEC } from '../../config/sessionSettings';
import type { Principal, RequestContext } from '../../context';
import type { SecurityDeps } from '../deps';
import { AppError } from '../../errors';
import type { Passage } from '../../http/passage';
import { noticeFactorChanged } from '../../mail';
import type { NoticeDeps } from '../../mail';
import { SECOND_MS } from '../../durations';
import { admitEnrolment, takeConfirmation } from './boundEnrolment';
import { assertEnrolmentCounts, settleEnrolment } from './enrolByChallenge';
import { dropPendingTotp, endEnrolments } from './enrolmentStore';
import { MOST_FACTORS, lockFactors } from './factorStore';
import type { MethodDeps } from './proofs';
import { withProof } from './stepUpGate';
import { checkTotpCode, generateTotpSecret, openTotpSecret, sealTotpSecret } from './totp';
import { toOtpauthUri } from './otpauthUri';
import { unreadableFactor } from './totp';
import { confirmTotp, countTotp, findPendingTotp, replacePendingTotp } from './totpStore';
import type { TotpRow } from './totpStore';
import { inTenant } from '../../db/tenantScope';

type EnrollDeps = NoticeDeps & MethodDeps & Pick<SecurityDeps, 'db' | 'config' | 'riskPolicies'>;

/** How long an enrolment can be finished: no longer than the proof that started it may be old. */
const OPEN_FOR_MS = LONGEST_STEP_UP_WINDOW_SEC * SECOND_MS;

export interface TotpEnrollment {
  factorId: string;
  /** Base32, for people who type it. */
  secret: string;
  otpauthUri: string;
  /** The same URI as a QR code, an SVG document. */
  qrSvg: string;
}

/**
 * Starts an enrolment: creates a secret that is not valid until a code from it was shown.
 * @param passage the proof that this enrolment consumes; finishing it needs no further proof,
 * because that takes the secret
 * @throws AppError TOO_MANY_ATTEMPTS; STEP_UP_REQUIRED if another act used the proof
 */
export async function startTotpEnrollment(
  deps: EnrollDeps,
  ctx: RequestContext,
  principal: Principal,
  passage: Passage,
): Promise<TotpEnrollment> {
  // The authenticator app shows the tenant's name and the person's e-mail address.
  const { tenantId, userId, staffId, email, tenant } = principal;
  await assertEnrolmentCounts(deps, deps.db, principal, 'totp');
  const row = { id: deps.random.id(), tenantId, userId, staffId };
  const secret = generateTotpSecret(deps.random);
  const otpauthUri = toOtpauthUri(tenant.name, email, secret);
  const secretSealed = sealTotpSecret(deps.keys, row, secret);
  await withProof(deps, ctx, principal, passage, async (tx) => {
    await admitEnrolment(deps, tx, ctx, principal, { factor: 'totp', subject: `factor:${row.id}` });
    await replacePendingTotp(tx, {
      ...row,
      secretSealed,
      keyId: deps.keys.ids.encryption,
      createdAt: deps.clock.now(),
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
  principal: Principal,
  { pending, name, step }: { pending: TotpRow; name: string; step: number },
): Promise<void> {
  const now = deps.clock.now();
  await inTenant(deps.db, principal.tenantId, async (tx) => {
    await lockFactors(tx, pending.tenantId, pending.staffId);
    if ((await countTotp(tx, pending.tenantId, pending.staffId)) >= MOST_FACTORS) {
      throw new AppError('TOO_MANY_FACTORS');
    }
    await settleEnrolment(deps, tx, principal, 'totp');
    if (!(await confirmTotp(tx, pending, { name, step, now }))) throw new AppError('NOT_FOUND');
    await endEnrolments(tx, pending.tenantId, pending.staffId);
    await recordAudit(tx, ctx, {
      action: 'FACTOR_ENROLLED',
      outcome: 'success',
      subject: `factor:${pending.id}`,
      details: { factor: 'totp', via: 'api' },
    });
    const what = { factor: 'totp', change: 'added' } as const;
    await noticeFactorChanged(deps, tx, ctx, pending, what);
  });
  deps.mail.wake();
}

/**
 * Finishes an enrolment with a code from the new secret, and marks that code's time step as used.
 * Factors enrolled before stay. After ten wrong codes the secret is deleted.
 * @param confirmation the code, and the owner's name for the new device
 * @throws AppError NOT_FOUND if no enrolment is open, INVALID_CODE, KEY_UNAVAILABLE,
 * TOO_MANY_FACTORS
 */
export async function confirmTotpEnrollment(
  deps: EnrollDeps,
  ctx: RequestContext,
  principal: Principal,
  { code, name }: { code: string; name: string },
): Promise<{ confirmed: true; factorId: string }> {
  const { tenantId, staffId } = principal;
  const begunAfter = new Date(deps.clock.now().getTime() - OPEN_FOR_MS);
  const pending = await findPendingTotp(deps.db, tenantId, { staffId, begunAfter });
  if (!pending)
    throw new AppError('NOT_FOUND', { detail: 'No enrolment is open. Begin one first.' });
  const secret = openTotpSecret(deps.keys, pending, pending.secretSealed);
  if (secret === null) throw unreadableFactor();
  const { last } = await takeConfirmation(deps, pending);
  const step = await checkTotpCode(secret, code, deps.clock.now(), null);
  if (step === null) {
    if (last) await dropPendingTotp(deps.db, tenantId, pending.id);
    throw new AppError('INVALID_CODE');
  }
  await activate(deps, ctx, principal, { pending, name, step });
  return { confirmed: true, factorId: pending.id };
}
