import { verifyAuthenticationResponse, verifyRegistrationResponse } from '@simplewebauthn/server';
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server';
import { decodeAttestationObject, decodeClientDataJSON } from '@simplewebauthn/server/helpers';
import type { Logger } from '../../logger';
import type { WebauthnSettings } from '../../config/webauthnSettings';
import { MINUTE_MS } from '../../durations';
import { PASSKEY_ALGORITHMS, isSoundKey } from './coseKey';
import type { PasskeyRow } from './passkeyStore';

/** WebAuthn Level 3 13.4.3: 16 bytes at least. */
export const CHALLENGE_BYTES = 32;
/** WebAuthn Level 3 15.1 recommends five minutes if the user has to be verified. */
export const CEREMONY_MS = 5 * MINUTE_MS;

/** The parts of a new credential that are stored. */
export interface NewCredential {
  credentialId: string;
  /** COSE (RFC 9052 7), in CBOR. */
  publicKey: Buffer;
  /** 0 if the authenticator keeps no counter. */
  counter: number;
  backedUp: boolean;
  /** Whether it may be backed up at all (6.1.3, flag BE); this never changes. */
  backupEligible: boolean;
  transports: string[];
}

/** The authenticator's state according to a valid assertion. */
export interface Assertion {
  counter: number;
  backedUp: boolean;
  backupEligible: boolean;
}

/**
 * WebAuthn Level 3 4, "Credential ID": at least 16 bytes, so that ids do not collide; at most 1023.
 */
const ID_BYTES = { least: 16, most: 1023 };

/**
 * Returns the id of a membership in the form that authenticators store (WebAuthn Level 3 14.6.1):
 * opaque, not an e-mail address.
 * @param staffId a UUID
 * @returns its sixteen bytes
 */
export const toUserHandle = (staffId: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.from(staffId.replaceAll('-', ''), 'hex'));

/** Turns any exception into null: client bytes that break a parser prove nothing. */
async function orNull<T>(check: () => Promise<T | null>): Promise<T | null> {
  try {
    return await check();
  } catch {
    return null;
  }
}

/**
 * Returns whether the response was made in a frame of another site's page. Nobody embeds this
 * service, so such a page is refused (7.1 and 7.2, crossOrigin).
 */
function isFramed(clientDataJSON: string): boolean {
  const { crossOrigin, topOrigin } = decodeClientDataJSON(clientDataJSON);
  return crossOrigin === true || topOrigin !== undefined;
}

/**
 * An origin is at most a scheme, a name of 253 characters and a port, but a client can send
 * anything.
 */
const MAX_ORIGIN = 300;

/**
 * Logs a warning if a refused response was made on a page whose origin is not configured. Usually a
 * setting is wrong, and neither the person nor the operator would notice otherwise.
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
    const what = 'a passkey was refused because the origin of its page is not in WEBAUTHN_ORIGINS';
    logger.warn({ expectedOrigins: origins, seenOrigin }, what);
  } catch {
    // Unreadable data names no origin.
  }
}

/**
 * Returns whether the registration has no attestation certificates. None are requested, so only
 * what browsers let through is accepted (5.4.7, "none"): certificates chosen by a client would make
 * the server fetch the revocation lists that they name.
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
 * Checks the registration of a new credential (WebAuthn Level 3 7.1).
 * @param challenge the value that had to be signed, base64url
 * @returns the credential to store, or null if anything is invalid; client data never makes it
 * throw
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
 * Checks an assertion (WebAuthn Level 3 7.2) except for its counter. The counter is compared in the
 * statement that updates it: the signature is verified by then, and concurrent assertions meet
 * there.
 * @param passkey a passkey of the staff member who has to answer
 * @param challenge the value that had to be signed, base64url
 * @returns the authenticator's state, or null if anything is invalid; client data never makes it
 * throw
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
      // 0 turns off the library's own comparison, which comes before it verifies the signature.
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
