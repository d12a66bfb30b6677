import { z } from 'zod';
import { stepUpPurpose } from '../../stepUpPurpose';
import { moment, rowId } from '../../http/answers';
import { STEP_UP_METHODS } from './stepUpMethods';

/** The caller's factors. */
export const ownFactors = z
  .object({
    factors: z.array(
      z.object({
        id: rowId,
        type: z.enum(['totp', 'passkey']),
        name: z.string(),
        createdAt: moment,
        lastUsedAt: moment.nullable(),
      }),
    ),
    recoveryCodes: z.object({ left: z.int(), createdAt: moment.nullable() }),
  })
  .meta({ id: 'OwnFactors' });

/** New recovery codes. */
export const newRecoveryCodes = z
  .object({ codes: z.array(z.string()) })
  .meta({ id: 'NewRecoveryCodes' });

/** The data that a client needs to answer with a started method. */
export const startedMethod = z
  .union([
    z
      .object({
        sent: z.literal(true).meta({ description: 'For the method `email`' }),
        expiresAt: moment,
        againAfterSec: z.int(),
      })
      .meta({ id: 'CodeSent' }),
    z
      .looseObject({
        challenge: z.string().meta({ description: 'For the method `passkey`' }),
        rpId: z.string().optional(),
        timeout: z.int().optional(),
        userVerification: z.string().optional(),
        allowCredentials: z.array(z.looseObject({ id: z.string(), type: z.string() })).optional(),
      })
      .meta({ id: 'PasskeyRequestOptions' }),
  ])
  .meta({ id: 'StartedMethod' });

/** A challenge that was answered. */
export const verifiedStepUp = z
  .object({
    verified: z.literal(true),
    purpose: stepUpPurpose,
    method: z.enum(STEP_UP_METHODS),
    verifiedAt: moment,
  })
  .meta({ id: 'VerifiedStepUp' });

/** The secret of an authenticator that is being enrolled. */
export const newTotp = z
  .object({
    factorId: rowId,
    secret: z.string().meta({ examples: ['JBSWY3DPEHPK3PXP'] }),
    otpauthUri: z.string(),
    qrSvg: z.string(),
  })
  .meta({ id: 'NewTotp' });

/** An authenticator that was enrolled. */
export const confirmedTotp = z
  .object({ confirmed: z.literal(true), factorId: rowId })
  .meta({ id: 'ConfirmedTotp' });

/** PublicKeyCredentialCreationOptionsJSON of WebAuthn. */
export const passkeyCreationOptions = z
  .looseObject({
    challenge: z.string(),
    rp: z.looseObject({ name: z.string(), id: z.string().optional() }),
    user: z.object({ id: z.string(), name: z.string(), displayName: z.string() }),
    pubKeyCredParams: z.array(z.object({ alg: z.int(), type: z.literal('public-key') })),
  })
  .meta({ id: 'PasskeyCreationOptions' });

/** A passkey that was registered. */
export const registeredPasskey = z
  .object({ registered: z.literal(true), factorId: rowId, name: z.string() })
  .meta({ id: 'RegisteredPasskey' });
