import { z } from 'zod';
import { IMPERSONATION_SCOPES } from '../db/schema';
import { rowId } from '../http/answers';
import { stepUpPurpose } from '../stepUpPurpose';

const epochSeconds = z.int().meta({ examples: [1767225600] });
const secondsLeft = z
  .number()
  .min(0)
  .meta({ examples: [299.5] });

const inactive = z
  .object({
    active: z.literal(false),
    reason: z
      .literal('IP_BLOCKED')
      .optional()
      .meta({ description: 'The IP rules of the tenant refuse the reported address' }),
  })
  .meta({ id: 'InactiveToken' });

const degraded = z
  .literal(true)
  .optional()
  .meta({ description: 'A table is missing or cannot be read: do not keep the answer' });

const caller = {
  active: z.literal(true),
  sub: rowId,
  tid: rowId,
  tenant: z.string().meta({ description: 'The slug of the tenant', examples: ['acme'] }),
  staff_id: rowId,
  username: z.string().meta({ description: 'The e-mail address' }),
  name: z.string().nullable(),
  permissions: z.array(z.string()),
  roles: z.array(z.string()),
  address_bound: z.literal(true).optional().meta({
    description: 'The tenant has IP rules: the answer holds for the reported address alone',
  }),
  exp: epochSeconds,
  expires_in: secondsLeft.meta({
    description: 'How long the answer can hold without a change: the shortest of token and session',
  }),
};

const person = z
  .object({
    ...caller,
    token_type: z.literal('Bearer'),
    iss: z.string(),
    aud: z.string(),
    sid: rowId,
    sv: z.int(),
    jti: rowId,
    iat: epochSeconds,
    amr: z.array(z.string()).meta({ examples: [['pwd', 'otp', 'mfa']] }),
    auth_time: epochSeconds.optional(),
    acr: z.enum(['aal1', 'aal2']),
    step_ups: z.array(
      z.object({ purpose: stepUpPurpose, verified_at: epochSeconds, expires_in: secondsLeft }),
    ),
    act: z
      .object({
        sub: rowId,
        staff_id: rowId,
        sid: rowId,
        scope: z.enum(IMPERSONATION_SCOPES),
      })
      .optional()
      .meta({ description: 'Who really acts, while somebody is impersonated (RFC 8693)' }),
    degraded,
  })
  .meta({ id: 'ActivePerson' });

const program = z
  .object({
    ...caller,
    token_type: z.literal('api_key'),
    api_key_id: rowId,
    key_name: z.string(),
    step_ups: z.array(z.never()),
    degraded,
  })
  .meta({ id: 'ActiveApiKey' });

/** The answer to an introspection. */
export const introspection = z
  .union([inactive, person, program])
  .meta({ id: 'TokenIntrospection' });

/** The answer to the check of a step-up, unless it asks for a proof. */
export const provenStepUp = z
  .union([
    inactive,
    z
      .object({
        active: z.literal(true),
        passed: z.literal(true),
        purpose: stepUpPurpose,
        verified_at: epochSeconds,
        expires_in: secondsLeft,
        consumed: z.boolean(),
      })
      .meta({ id: 'PassedStepUp' }),
  ])
  .meta({ id: 'ServiceStepUp' });
