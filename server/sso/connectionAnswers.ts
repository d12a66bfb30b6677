import { z } from 'zod';
import { moment, rowId } from '../http/answers';
import { SIGNING_ALGORITHMS, TOKEN_AUTH_METHODS } from '../ssoConnections';

const CONNECTION_STATES = ['draft', 'ready'] as const;
const address = z.string().meta({ examples: ['https://acme.okta.com/oauth2/v1/token'] });

/** A connection, without its secret. */
export const shownConnection = z
  .object({
    id: rowId,
    name: z.string().meta({ examples: ['Okta'] }),
    issuer: z.string().meta({ examples: ['https://acme.okta.com'] }),
    state: z
      .enum(CONNECTION_STATES)
      .meta({ description: 'A draft has no client id and no client secret yet' }),
    redirectUri: z
      .string()
      .nullable()
      .meta({
        description:
          'The address to enter at the provider; null in production while the operator has not set PUBLIC_URL',
        examples: ['https://id.example/api/auth/sso/callback/0198c7a2-5a51-7d6c-8f0e-3b1f6a0c9d11'],
      }),
    clientId: z
      .string()
      .nullable()
      .meta({ examples: ['0oa1b2c3d4'] }),
    tokenAuth: z.enum(TOKEN_AUTH_METHODS),
    alg: z.enum(SIGNING_ALGORITHMS).meta({
      description: 'The only algorithm by which tokens of this connection may be signed',
    }),
    requiredHostedDomain: z.string().nullable(),
    endpoints: z.object({
      authorization: address,
      token: address,
      jwks: address,
      endSession: address.nullable(),
    }),
    discoveredAt: moment.meta({ description: 'When the discovery document was read' }),
    secretChangedAt: moment.nullable(),
    previousSecretUntil: moment
      .nullable()
      .meta({ description: 'Until when the secret before the last change is in use beside it' }),
    createdAt: moment,
    changedAt: moment,
  })
  .meta({ id: 'SsoConnection' });

/** All connections of a tenant. */
export const shownConnections = z
  .object({ connections: z.array(shownConnection) })
  .meta({ id: 'SsoConnections' });
