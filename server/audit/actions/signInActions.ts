import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { degraded, reasons, score } from './detailFields';

/** The actions of signing in and out, of tokens, and of refused requests. */
export const SIGN_IN_ACTIONS = {
  AUTH_LOGIN_SUCCEEDED: {
    details: z.strictObject({
      score,
      reasons,
      rememberMe: z.boolean(),
      stepUp: z.boolean(),
      // The connection through which a provider proved the person; without it, they used their own password.
      connectionId: z.uuid().optional(),
      degraded,
    }),
    ocsf: {
      class: 'authentication',
      activity: 'Logon',
      severity: 'Informational',
      message: 'Somebody signed in',
      has: ['mfa'],
    },
  },
  AUTH_LOGIN_FAILED: {
    details: z.strictObject({
      reason: z.enum([
        'unknown_account',
        'wrong_password',
        'no_password',
        'password_expired',
        'account_disabled',
        'account_locked',
        'no_membership',
      ]),
    }),
    ocsf: {
      class: 'authentication',
      activity: 'Logon',
      severity: 'Low',
      message: 'A sign-in failed',
    },
  },
  AUTH_LOGOUT: {
    details: z.strictObject({
      scope: z.enum(['session', 'all']),
      // The sign-out was authorised by the refresh token alone, without an access token.
      with: z.literal('refresh_token').optional(),
      degraded,
    }),
    ocsf: {
      class: 'authentication',
      activity: 'Logoff',
      severity: 'Informational',
      message: 'Somebody signed out',
    },
  },
  // The password was right, and the answer listed the person's tenants. Each of these tenants gets the event.
  LOGIN_TENANTS_OFFERED: {
    details: z.strictObject({}),
    ocsf: {
      class: 'authentication',
      activity: 'Tenant Choice',
      severity: 'Informational',
      message: 'The password was right, and the person was asked to choose a tenant',
    },
  },
  // Logins failed on many accounts. Recorded once per window for an address, and once per window for the whole
  // installation.
  LOGIN_SPRAY_DETECTED: {
    details: z.strictObject({
      over: z.enum(['address', 'installation']),
      failures: z.number().int().min(1),
      // Only if `over` is `address`: the number of different accounts, counted up to twenty.
      accounts: z.number().int().min(1).optional(),
    }),
    ocsf: {
      class: 'finding',
      activity: 'Create',
      severity: 'High',
      message: 'Sign-ins failed on many accounts: somebody may be spraying passwords',
      has: ['alert', 'evidence'],
    },
  },
  // `repeated`: how many further denials there were since the event before; they get no events of their own.
  PERMISSION_DENIED: {
    details: z.strictObject({
      permission: z.string(),
      repeated: z.number().int().min(0),
    }),
    ocsf: {
      class: 'api',
      activity: 'Permission Check',
      severity: 'Low',
      message: 'A request was refused because a permission is missing',
      disposition: 'Blocked',
    },
  },
  AUTH_TOKEN_REFRESH: {
    details: z.strictObject({ degraded }),
    ocsf: {
      class: 'authentication',
      activity: 'Token Refresh',
      severity: 'Informational',
      message: 'A refresh token was exchanged',
    },
  },
  // The client asked again for a lost answer, with its idempotency key.
  AUTH_TOKEN_REISSUED: {
    details: z.strictObject({ at: z.enum(['login', 'refresh']) }),
    ocsf: {
      class: 'authentication',
      activity: 'Token Reissue',
      severity: 'Informational',
      message: 'Tokens of a lost response were sent again',
    },
  },
  REFRESH_REUSE_DETECTED: {
    details: z.strictObject({ familyId: z.uuid(), alreadyEnded: z.boolean() }),
    ocsf: {
      class: 'finding',
      activity: 'Create',
      severity: 'High',
      message: 'A refresh token was used again: it may have been stolen',
      has: ['alert', 'evidence'],
    },
  },
} satisfies ActionGroup;
