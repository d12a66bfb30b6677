import { z } from 'zod';
import { moment, rowId } from '../http/answers';
import { IMPERSONATION_CONSENTS, IMPERSONATION_SCOPES } from '../db/schema';

const scope = z.enum(IMPERSONATION_SCOPES);
const consent = z.enum(IMPERSONATION_CONSENTS);

const impersonation = {
  id: rowId,
  subject: z
    .object({ staffId: rowId, email: z.string(), name: z.string().nullable() })
    .meta({ description: 'The member as whom somebody acts' }),
  scope,
  consent,
  startedAt: moment,
  expiresAt: moment,
};

/** An impersonation, with an access token for it. */
export const startedImpersonation = z
  .object({
    impersonation: z.object(impersonation).meta({ id: 'Impersonation' }),
    accessToken: z.string().meta({
      description: 'A bearer token (JWT) that names both people',
      examples: ['eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln'],
    }),
    tokenType: z.literal('Bearer'),
    expiresIn: z.int().meta({ examples: [300] }),
  })
  .meta({ id: 'StartedImpersonation' });

const countedRoutes = z.array(
  z.object({ route: z.string().meta({ examples: ['GET /api/tenants/staff'] }), times: z.int() }),
);

/** An impersonation that has ended, with what was done in it. */
export const stoppedImpersonation = z
  .object({ id: rowId, endedAt: moment, opened: countedRoutes, refused: countedRoutes })
  .meta({ id: 'StoppedImpersonation' });

const policyFields = {
  mode: z.enum(['off', ...IMPERSONATION_SCOPES]).meta({
    description: 'Whether members may act as others, and whether they may more than read',
  }),
  consent: consent.meta({
    description: 'Whether the other member is told by mail at the start, or has to allow it before',
  }),
  ticketRequired: z.boolean(),
  maxMinutes: z.int().min(1).max(60),
};

/** A policy as a client sends it. It must be complete. */
export const impersonationPolicyInput = z.strictObject(policyFields);

/** The policy of a tenant, with its version. */
export const shownImpersonationPolicy = z
  .object({
    version: z.int().meta({ description: '0 for the defaults' }),
    policy: z.object(policyFields),
    updatedAt: moment.nullable(),
    updatedBy: rowId.nullable(),
  })
  .meta({ id: 'ImpersonationPolicy' });

/** The consent of the caller. */
export const ownConsent = z
  .object({
    consent: z
      .object({ givenAt: moment, until: moment })
      .nullable()
      .meta({ description: 'null if none is in force' }),
  })
  .meta({ id: 'ImpersonationConsent' });
