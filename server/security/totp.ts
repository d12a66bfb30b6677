import { ScureBase32Plugin, generate, generateURI, verify } from 'otplib';
import type { Random } from '../context';
import type { KeyRing } from '../keyRing';

/** RFC 6238: 30 s steps; the current step and the one before it, for a code typed at the turn. */
const STEP_SEC = 30;
/** RFC 4226 4, R6: 160 bits are recommended. */
const SECRET_BYTES = 20;

const base32 = new ScureBase32Plugin();

export interface TotpIdentity {
  id: string;
  tenantId: string;
  staffId: string;
}

/** What a sealed secret is bound to: copied to another row or another person, it does not open. */
const boundTo = (row: TotpIdentity) => `totp:${row.tenantId}:${row.staffId}:${row.id}`;

/** A new secret in base32. */
export function generateTotpSecret(random: Random): string {
  return base32.encode(random.bytes(SECRET_BYTES), { padding: false });
}

export function sealTotpSecret(keys: KeyRing, row: TotpIdentity, secret: string): Buffer {
  return keys.seal(Buffer.from(secret, 'ascii'), boundTo(row));
}

/** @returns null where it was sealed for another row or under another key: no code can fit it */
export function openTotpSecret(keys: KeyRing, row: TotpIdentity, sealed: Buffer): string | null {
  try {
    return keys.open(sealed, boundTo(row)).toString('ascii');
  } catch {
    return null;
  }
}

/** The URI that authenticator apps read from a QR code. */
export function toOtpauthUri(issuer: string, account: string, secret: string): string {
  return generateURI({ issuer, label: account, secret });
}

/**
 * Checks a code against the current time step and the one before it (RFC 6238 5.2).
 * @param lastUsedStep the last step that was accepted; it and all before it are refused
 * @returns the step that the code belongs to, or null where it belongs to none
 */
export async function checkTotpCode(
  secret: string,
  code: string,
  now: Date,
  lastUsedStep: number | null,
): Promise<number | null> {
  const epoch = Math.floor(now.getTime() / 1000);
  const options = { secret, token: code, epoch, epochTolerance: [STEP_SEC, 0] as [number, number] };
  const result = await verify(
    lastUsedStep === null ? options : { ...options, afterTimeStep: lastUsedStep },
  );
  if (!result.valid) return null;
  return 'timeStep' in result ? result.timeStep : null;
}

/** The code of this moment, for operators and tests. */
export function currentTotpCode(secret: string, now: Date): Promise<string> {
  return generate({ secret, epoch: Math.floor(now.getTime() / 1000) });
}
