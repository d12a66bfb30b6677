import { ScureBase32Plugin, generate, verify } from 'otplib';
import { AppError } from '../../errors';
import type { Random } from '../../context';
import type { KeyRing } from '../../keyRing';
import { SECOND_MS } from '../../durations';

/**
 * RFC 6238 5.2 and 6: steps of 30 s; the current one, and one on either side for a phone whose
 * clock is ahead or behind.
 */
const STEP_SEC = 30;
/** RFC 4226 4, R6: 160 bits are recommended. */
const SECRET_BYTES = 20;

const base32 = new ScureBase32Plugin();

export interface TotpIdentity {
  id: string;
  tenantId: string;
  staffId: string;
}

/**
 * Returns the context to which a sealed secret is bound: copied to another row or another person,
 * it cannot be decrypted.
 */
export const boundToTotp = (row: TotpIdentity) => `totp:${row.tenantId}:${row.staffId}:${row.id}`;

/** Returns a new secret in base32. */
export function generateTotpSecret(random: Random): string {
  return base32.encode(random.bytes(SECRET_BYTES), { padding: false });
}

export function sealTotpSecret(keys: KeyRing, row: TotpIdentity, secret: string): Buffer {
  return keys.seal(Buffer.from(secret, 'ascii'), boundToTotp(row));
}

/**
 * @returns null if it was sealed for another row or under another key; no code can match it then
 */
export function openTotpSecret(keys: KeyRing, row: TotpIdentity, sealed: Buffer): string | null {
  try {
    return keys.open(sealed, boundToTotp(row)).toString('ascii');
  } catch {
    return null;
  }
}

/**
 * The error for a secret that cannot be decrypted. This is a fault of the server, so the code must
 * not be called wrong.
 */
export const unreadableFactor = (): AppError =>
  new AppError('KEY_UNAVAILABLE', {
    detail:
      'The secret of this authenticator cannot be decrypted, so your code was not checked. Inform the operator of this service.',
    headers: { 'retry-after': '60' },
  });

/**
 * Checks a code against the current time step and one on either side (RFC 6238 6). The caller must
 * mark the step as used.
 * @param lastUsedStep the last accepted step; this step and all earlier ones are refused
 * @returns the step that the code belongs to, or null if it matches none
 */
export async function checkTotpCode(
  secret: string,
  code: string,
  now: Date,
  lastUsedStep: number | null,
): Promise<number | null> {
  const epoch = Math.floor(now.getTime() / SECOND_MS);
  const options = { secret, token: code, epoch, epochTolerance: STEP_SEC };
  const result = await verify(
    lastUsedStep === null ? options : { ...options, afterTimeStep: lastUsedStep },
  );
  if (!result.valid) return null;
  return 'timeStep' in result ? result.timeStep : null;
}

/** Returns the current code, for operators and tests. */
export function currentTotpCode(secret: string, now: Date): Promise<string> {
  return generate({ secret, epoch: Math.floor(now.getTime() / SECOND_MS) });
}
