import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server';
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server';
import { decodeAttestationObject, decodeClientDataJSON } from '@simplewebauthn/server/helpers';
import type { Logger } from '../logger';
import type { WebauthnSettings } from '../webauthnSettings';
import { PASSKEY_ALGORITHMS, isSoundKey } from './coseKey';
import type { PasskeyRow } from './passkeyStore';

/** What an authenticator made that is to be kept. */
export interface NewCredential {
  credentialId: string;
  /** COSE (RFC 9052 7), in CBOR. */
  publicKey: Buffer;
  /** 0 where the authenticator keeps none. */
  counter: number;
  backedUp: boolean;
  /** Whether it may be backed up at all (6.1.3, flag BE): it never changes. */
  backupEligible: boolean;
  transports: string[];
}

/** What a valid assertion says of the authenticator now. */
export interface Assertion {
  counter: number;
  backedUp: boolean;
  backupEligible: boolean;
}

/** WebAuthn Level 3 4, "Credential ID": 16 bytes at least, so that nobody hits upon another's; 1023 at most. */
const ID_BYTES = { least: 16, most: 1023 };

/**
 * The id of a membership as authenticators hold it (WebAuthn Level 3 14.6.1): opaque, and no e-mail.
 * @param staffId a UUID
 * @returns its sixteen bytes
 */
export const toUserHandle = (staffId: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.from(staffId.replaceAll('-', ''), 'hex'));

/** Whatever a client's bytes make a parser throw says one thing: they prove nothing. */
async function orNull<T>(check: () => Promise<T | null>): Promise<T | null> {
  try {
    return await check();
  } catch {
    return null;
  }
}

/** Nobody embeds us: a page that made this in somebody else's frame was not meant to (7.1 and 7.2, crossOrigin). */
function isFramed(clientDataJSON: string): boolean {
  const { crossOrigin, topOrigin } = decodeClientDataJSON(clientDataJSON);
  return crossOrigin === true || topOrigin !== undefined;
}

/** An origin has at most a scheme, 253 characters of a name and a port; a client can send anything. */
const MAX_ORIGIN = 300;

/**
 * Says in the log if a refused response was made on a page of another origin than those that are set: most often that is a
 * setting, and neither the person nor the operator can see it otherwise.
 */
export function logForeignOrigin(
  { logger }: { logger: Logger },
  { origins }: WebauthnSettings,
  response: { response: { clientDataJSON: string } },
): void {
  try {
    const { origin } = decodeClientDataJSON(response.response.clientDataJSON);
    if (origins.includes(origin)) return;
    const seenOrigin = String(origin).slice(0, MAX_ORIGIN);
    const what = 'a passkey was refused because of the origin of its page: see WEBAUTHN_ORIGINS';
    logger.warn({ expectedOrigins: origins, seenOrigin }, what);
  } catch {
    // What cannot be read names no origin.
  }
}

/**
 * Nobody is asked for an attestation, so that none is looked at but what browsers let through (5.4.7, "none"):
 * certificates of a client's choosing would have us fetch the revocation lists that they name.
 */
function isUnattested(attestationObject: string): boolean {
  const decoded = decodeAttestationObject(
    new Uint8Array(Buffer.from(attestationObject, 'base64url')),
  );
  const statement: unknown = decoded.get('attStmt');
  if (!(statement instanceof Map)) return false;
  const format = decoded.get('fmt');
  return format === 'none' || (format === 'packed' && !statement.has('x5c'));
}

/**
 * Checks what an authenticator made (WebAuthn Level 3 7.1).
 * @param challenge what it had to sign, base64url
 * @returns what is to be kept, or null for anything that is not in order; never throws for what a client sent
 */
export function checkRegistration(
  settings: WebauthnSettings,
  response: RegistrationResponseJSON,
  challenge: string,
): Promise<NewCredential | null> {
  return orNull(async () => {
    const { clientDataJSON, attestationObject } = response.response;
    if (isFramed(clientDataJSON) || !isUnattested(attestationObject)) return null;
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response,
      expectedChallenge: challenge,
      expectedOrigin: [...settings.origins],
      expectedRPID: settings.rpId,
      requireUserVerification: true,
      supportedAlgorithmIDs: PASSKEY_ALGORITHMS,
    });
    if (!verified) return null;
    const { id, publicKey, counter } = registrationInfo.credential;
    const length = Buffer.from(id, 'base64url').length;
    if (id !== response.id || length < ID_BYTES.least || length > ID_BYTES.most) return null;
    if (!isSoundKey(publicKey)) return null;
    return {
      credentialId: id,
      publicKey: Buffer.from(publicKey),
      counter,
      backedUp: registrationInfo.credentialBackedUp,
      backupEligible: registrationInfo.credentialDeviceType === 'multiDevice',
      transports: response.response.transports ?? [],
    };
  });
}

/**
 * Checks an assertion (WebAuthn Level 3 7.2) but for its counter, which is compared where it is moved on: only then is
 * it the owner of the key who says it, and only there do two at a time meet.
 * @param passkey of the staff member who is asked
 * @param challenge what it had to sign, base64url
 * @returns what the authenticator says of itself, or null for anything that is not in order; never throws for what a
 *   client sent
 */
export function checkAssertion(
  settings: WebauthnSettings,
  passkey: PasskeyRow,
  response: AuthenticationResponseJSON,
  challenge: string,
): Promise<Assertion | null> {
  return orNull(async () => {
    const { clientDataJSON, userHandle } = response.response;
    if (isFramed(clientDataJSON)) return null;
    const owner = Buffer.from(toUserHandle(passkey.staffId)).toString('base64url');
    if (userHandle !== undefined && userHandle !== owner) return null;
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response,
      expectedChallenge: challenge,
      expectedOrigin: [...settings.origins],
      expectedRPID: settings.rpId,
      requireUserVerification: true,
      // The library would compare it before it looks at the signature.
      credential: {
        id: passkey.credentialId,
        publicKey: new Uint8Array(passkey.publicKey),
        counter: 0,
      },
    });
    if (!verified) return null;
    const { newCounter: counter, credentialBackedUp: backedUp } = authenticationInfo;
    const backupEligible = authenticationInfo.credentialDeviceType === 'multiDevice';
    return { counter, backedUp, backupEligible };
  });
}
