import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server';
import { z } from 'zod';

/** Unpadded, as browsers write it (WebAuthn Level 3 5.1, "Base64URLString"). */
const base64url = (most: number) =>
  z
    .string()
    .meta({ maxLength: most })
    .pipe(
      z
        .string()
        .max(most)
        .regex(/^[A-Za-z0-9_-]+$/, 'must be base64url'),
    );

/** 1023 bytes (WebAuthn Level 3 7.1). */
const credentialId = base64url(1364);
const clientDataJSON = base64url(4096);
/** Browsers add new names, so unknown ones are accepted and stored. */
const transport = z.string().regex(/^[a-z-]{1,32}$/, 'must be the name of a WebAuthn transport');

/** The result of `navigator.credentials.get()`. Fields that nothing reads are dropped. */
export const authenticationResponse = z
  .object({
    id: credentialId,
    rawId: credentialId,
    type: z.literal('public-key'),
    response: z.object({
      clientDataJSON,
      authenticatorData: base64url(4096),
      signature: base64url(1024),
      userHandle: base64url(88).nullish(),
    }),
  })
  .transform(
    ({ response: { userHandle, ...signed }, ...credential }): AuthenticationResponseJSON => ({
      ...credential,
      response: { ...signed, ...(userHandle ? { userHandle } : {}) },
      clientExtensionResults: {},
    }),
  );

/** The result of `navigator.credentials.create()`. */
export const registrationResponse = z
  .object({
    id: credentialId,
    rawId: credentialId,
    type: z.literal('public-key'),
    response: z.object({
      clientDataJSON,
      attestationObject: base64url(16_384),
      transports: z.array(transport).max(8).optional(),
    }),
  })
  .transform(({ response: { transports, ...made }, ...credential }): RegistrationResponseJSON => ({
    ...credential,
    response: {
      ...made,
      transports: [...new Set(transports)],
    },
    clientExtensionResults: {},
  }));
