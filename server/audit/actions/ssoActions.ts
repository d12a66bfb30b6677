import { z } from 'zod';
import type { ActionGroup } from './actionGroup';
import { via } from './detailFields';

/** The properties of a connection. No event holds its secret. */
const connection = z.strictObject({
  name: z.string(),
  issuer: z.string(),
  // Null in a draft.
  clientId: z.string().nullable(),
  tokenAuth: z.enum(['basic', 'post']),
  alg: z.string(),
  requiredHostedDomain: z.string().nullable(),
  endpoints: z.strictObject({
    authorization: z.string(),
    token: z.string(),
    jwks: z.string(),
    endSession: z.string().nullable(),
  }),
});
const entity = { type: 'SSO Connection', name: 'SSO connection' };

/** The actions on the connections of tenants to identity providers. */
export const SSO_ACTIONS = {
  SSO_CONNECTION_CREATED: {
    details: z.strictObject({ after: connection, via }),
    ocsf: {
      class: 'entity',
      activity: 'Create',
      severity: 'High',
      message: 'A connection to an identity provider was created',
      entity,
    },
  },
  // With `secretReplaced`, the change brought the secret of a new client, and the secrets before it ended.
  SSO_CONNECTION_UPDATED: {
    details: z.strictObject({
      before: connection,
      after: connection,
      secretReplaced: z.literal(true).optional(),
      via,
    }),
    ocsf: {
      class: 'entity',
      activity: 'Update',
      severity: 'High',
      message: 'A connection to an identity provider was changed',
      entity,
    },
  },
  SSO_CONNECTION_DELETED: {
    details: z.strictObject({
      before: connection,
      reason: z.literal('tenant_deleted').optional(),
      via,
    }),
    ocsf: {
      class: 'entity',
      activity: 'Delete',
      severity: 'Medium',
      message: 'A connection to an identity provider was deleted',
      entity,
    },
  },
  // The secret before stays in use beside the new one for `overlapSec`.
  SSO_CONNECTION_SECRET_ROTATED: {
    details: z.strictObject({ overlapSec: z.number().int().min(0), via }),
    ocsf: {
      class: 'entity',
      activity: 'Key Rotation',
      severity: 'Low',
      message: 'A connection to an identity provider got a new client secret',
      entity,
    },
  },
} satisfies ActionGroup;
