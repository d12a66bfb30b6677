import { generateRegistrationOptions } from '@simplewebauthn/server';
import type {
  PublicKeyCredentialCreationOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server';
import { recordAudit } from '../../audit';
import type { Principal, RequestContext } from '../../context';
import type { Tx } from '../../db';
import { inTenant } from '../../db/tenantScope';
import type { SecurityDeps } from '../deps';
import { AppError } from '../../errors';
import type { Passage } from '../../http/passage';
import type { ErrorCode } from '../../errors';
import { noticeFactorChanged } from '../../mail';
import type { WebauthnSettings } from '../../config/webauthnSettings';
import { admitEnrolment } from './boundEnrolment';
import {
  CEREMONY_MS,
  CHALLENGE_BYTES,
  checkRegistration,
  logForeignOrigin,
  toUserHandle,
} from './checkPasskey';
import { PASSKEY_ALGORITHMS } from './coseKey';
import { assertEnrolmentCounts, settleEnrolment } from './enrolByChallenge';
import { endEnrolments } from './enrolmentStore';
import { MOST_FACTORS, lockFactors } from './factorStore';
import { withProof } from './stepUpGate';
import { insertPasskey, listPasskeys, replaceRegistration, takeRegistration } from './passkeyStore';

type RegisterDeps = Pick<
  SecurityDeps,
  'db' | 'keys' | 'clock' | 'random' | 'config' | 'mail' | 'logger' | 'metrics' | 'riskPolicies'
>;

function webauthnOf({ config }: RegisterDeps): WebauthnSettings {
  if (config.webauthn) return config.webauthn;
  throw new AppError('METHOD_UNAVAILABLE', {
    detail: 'Passkeys are not set up on this installation.',
  });
}

/**
 * Starts a passkey registration, replacing an earlier one. Returns the options for
 * `navigator.credentials.create()` (WebAuthn Level 3 5.4), valid for five minutes.
 * @param passage the proof that this registration consumes; finishing it needs no further proof,
 * because that takes the challenge
 * @throws AppError METHOD_UNAVAILABLE if passkeys are not set up, TOO_MANY_FACTORS,
 * TOO_MANY_ATTEMPTS; STEP_UP_REQUIRED if another act used the proof
 */
export async function startPasskeyRegistration(
  deps: RegisterDeps,
  ctx: RequestContext,
  principal: Principal,
  passage: Passage,
): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const { tenantId, userId, staffId, email, tenant } = principal;
  const { rpId: rpID } = webauthnOf(deps);
  await assertEnrolmentCounts(deps, deps.db, principal, 'passkey');
  const existing = await listPasskeys(deps.db, tenantId, staffId);
  if (existing.length >= MOST_FACTORS) throw new AppError('TOO_MANY_FACTORS');
  const options = await generateRegistrationOptions({
    rpID,
    rpName: tenant.name,
    userID: toUserHandle(staffId),
    userName: email,
    userDisplayName: email,
    challenge: new Uint8Array(deps.random.bytes(CHALLENGE_BYTES)),
    timeout: CEREMONY_MS,
    attestationType: 'none',
    excludeCredentials: existing.map(({ credentialId: id, transports }) => ({ id, transports })),
    authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
    supportedAlgorithmIDs: PASSKEY_ALGORITHMS,
  });
  const expiresAt = new Date(deps.clock.now().getTime() + CEREMONY_MS);
  const { challenge } = options;
  await withProof(deps, ctx, principal, passage, async (tx) => {
    await admitEnrolment(deps, tx, ctx, principal, {
      factor: 'passkey',
      subject: `staff:${staffId}`,
    });
    await replaceRegistration(tx, { staffId, tenantId, userId, challenge, expiresAt });
  });
  return options;
}

interface NewPasskey {
  name: string;
  response: RegistrationResponseJSON;
}

/**
 * Registers the passkey while the person's factors are locked, so that no limit is exceeded.
 * @returns the new row's id, or an error code; the challenge stays consumed in both cases
 */
async function register(
  deps: RegisterDeps,
  tx: Tx,
  principal: Principal,
  { name, response }: NewPasskey,
): Promise<{ id: string } | ErrorCode> {
  const { tenantId, userId, staffId } = principal;
  const now = deps.clock.now();
  await lockFactors(tx, tenantId, staffId);
  const challenge = await takeRegistration(tx, principal, now);
  if (challenge === undefined) return 'NOT_FOUND';
  const made = await checkRegistration(webauthnOf(deps), response, challenge);
  if (!made) {
    logForeignOrigin(deps, webauthnOf(deps), response);
    return 'INVALID_PASSKEY';
  }
  const existing = await listPasskeys(tx, tenantId, staffId);
  if (existing.length >= MOST_FACTORS) return 'TOO_MANY_FACTORS';
  await settleEnrolment(deps, tx, principal, 'passkey');
  const id = deps.random.id();
  const row = { id, tenantId, userId, staffId, name, ...made, createdAt: now };
  if (!(await insertPasskey(tx, row))) return 'PASSKEY_EXISTS';
  await endEnrolments(tx, tenantId, staffId);
  return { id };
}

/**
 * Finishes a registration with the authenticator's response. Each challenge accepts one response,
 * valid or not.
 * @throws AppError NOT_FOUND if no registration is open, INVALID_PASSKEY, TOO_MANY_FACTORS,
 * METHOD_UNAVAILABLE; PASSKEY_EXISTS alike for the caller's own passkey, a colleague's and another
 * tenant's
 */
export async function finishPasskeyRegistration(
  deps: RegisterDeps,
  ctx: RequestContext,
  principal: Principal,
  passkey: NewPasskey,
): Promise<{ registered: true; factorId: string; name: string }> {
  webauthnOf(deps);
  const outcome = await inTenant(deps.db, principal.tenantId, async (tx) => {
    const registered = await register(deps, tx, principal, passkey);
    if (typeof registered === 'string') return registered;
    await recordAudit(tx, ctx, {
      action: 'FACTOR_ENROLLED',
      outcome: 'success',
      subject: `factor:${registered.id}`,
      details: { factor: 'passkey', via: 'api' },
    });
    const what = { factor: 'passkey', change: 'added' } as const;
    await noticeFactorChanged(deps, tx, ctx, principal, what);
    return registered;
  });
  if (outcome === 'NOT_FOUND') {
    throw new AppError(outcome, { detail: 'No registration is open. Start one first.' });
  }
  if (typeof outcome === 'string') throw new AppError(outcome);
  deps.mail.wake();
  return { registered: true, factorId: outcome.id, name: passkey.name };
}
