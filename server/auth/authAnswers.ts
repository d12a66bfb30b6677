import { z } from 'zod';
import type { Principal } from '../context';
import { IMPERSONATION_SCOPES } from '../db/schema';
import { moment, nextCursor, rowId } from '../http/answers';

const accessToken = z.string().meta({
  description: 'A bearer token (JWT)',
  examples: ['eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln'],
});
const tokenType = z.literal('Bearer');
const expiresIn = z.int().meta({
  description: 'The seconds for which the access token is valid',
  examples: [300],
});

/** The answer to a login or a refresh that was allowed. */
export const tokens = z
  .object({
    accessToken,
    refreshToken: z
      .string()
      .optional()
      .meta({ description: 'Missing if it is in the cookie', examples: ['ghr_7cA1'] }),
    requiresStepUp: z.literal(false),
    tokenType,
    expiresIn,
    refreshExpiresAt: moment,
    sessionId: rowId.nullable(),
    degraded: z
      .literal(true)
      .optional()
      .meta({ description: 'Only a force logout can end these tokens: sessions cannot be read' }),
  })
  .meta({ id: 'Tokens' });

/** The access token with which a session goes on. */
export const renewedToken = z
  .object({ accessToken, tokenType, expiresIn })
  .meta({ id: 'RenewedToken' });

/** The challenge of a login that begins with the second factor. */
export const begunLogin = z
  .object({
    challengeId: z.string().meta({ examples: ['ch_5XbW3s'] }),
    purpose: z.literal('security_settings'),
    methods: z.array(z.string()).meta({ examples: [['totp', 'recovery_code']] }),
    expiresAt: moment,
  })
  .meta({ id: 'BegunLogin' });

/** A role of a member, with its name. */
const namedRole = z.object({ id: z.string().meta({ examples: ['admin'] }), name: z.string() });

/** Somebody who acts as a member. */
const impersonation = z.object({
  id: rowId,
  scope: z.enum(IMPERSONATION_SCOPES),
  startedAt: moment,
  expiresAt: moment,
  actor: z.object({ staffId: rowId, email: z.string(), name: z.string().nullable() }),
});

/** The signed-in staff member. */
export const signedInMember = z
  .object({
    userId: rowId,
    staffId: rowId,
    sessionId: rowId.nullable(),
    email: z.string().meta({ examples: ['ada@example.com'] }),
    name: z.string().nullable(),
    tenant: z.object({ id: rowId, slug: z.string(), name: z.string() }),
    roles: z.array(namedRole),
    permissions: z.array(z.string()),
    hasPassword: z.boolean().optional().meta({
      description:
        'Whether this person has a password of their own; absent while somebody acts as this member',
    }),
    impersonation: impersonation
      .optional()
      .meta({ description: 'Only while somebody acts as this member: who, and until when' }),
  })
  .meta({ id: 'SignedInMember' });

/** Shows who acts as a member; nothing if they act themselves. */
export const showImpersonation = (impersonation: Principal['impersonation']) =>
  impersonation && {
    impersonation: {
      id: impersonation.id,
      scope: impersonation.scope,
      startedAt: impersonation.startedAt,
      expiresAt: impersonation.endsAt,
      actor: {
        staffId: impersonation.actor.staffId,
        email: impersonation.actor.email,
        name: impersonation.actor.name,
      },
    },
  };

const session = z.object({
  id: rowId,
  createdAt: moment,
  lastSeenAt: moment,
  expiresAt: moment,
  ip: z.string().nullable(),
  country: z.string().nullable(),
  userAgent: z.string().nullable(),
  rememberMe: z.boolean(),
});

/** A page of the sessions of another member. */
export const memberSessions = z
  .object({ sessions: z.array(session.meta({ id: 'Session' })), nextCursor })
  .meta({ id: 'SessionPage' });

/** A page of the caller's own sessions. */
export const ownSessions = z
  .object({
    sessions: z.array(
      session
        .extend({
          device: z
            .string()
            .nullable()
            .meta({ description: 'The browser and the system', examples: ['Firefox on Windows'] }),
          current: z.boolean(),
        })
        .meta({ id: 'OwnSession' }),
    ),
    nextCursor,
    impersonations: z
      .array(impersonation)
      .meta({ description: 'Those who act as you now; they have no session of yours' }),
  })
  .meta({ id: 'OwnSessionPage' });

/** The public keys of access tokens. */
export const keySet = z
  .object({
    keys: z.array(
      z.object({
        kty: z.string(),
        crv: z.string(),
        x: z.string(),
        y: z.string(),
        kid: z.string(),
        alg: z.literal('ES256'),
        use: z.literal('sig'),
      }),
    ),
  })
  .meta({ id: 'JsonWebKeySet' });
