import { z } from 'zod';
import { SSO_REFUSALS } from '../../audit';
import { LINK_GROUNDS } from '../../db/schema';
import { moment, rowId } from '../../http/answers';

/** The ways in which somebody can sign in. */
export const shownWays = z
  .object({
    password: z.boolean(),
    connections: z.array(z.object({ id: rowId, name: z.string().meta({ examples: ['Okta'] }) })),
  })
  .meta({ id: 'WaysToSignIn' });

const authorizationUrl = z.string().meta({
  description: 'Send the browser to this address of the provider',
  examples: ['https://acme.okta.com/oauth2/v1/authorize?state=…'],
});

/** A browser that is to be sent to a provider. */
export const startedSignIn = z
  .object({ authorizationUrl, expiresAt: moment })
  .meta({ id: 'StartedSsoSignIn' });

/** An administrator's browser that is to be sent to a provider. */
export const startedTry = z
  .object({ authorizationUrl, expiresAt: moment, attemptId: rowId })
  .meta({ id: 'StartedSsoTry' });

/** The outcome of a try. */
export const shownTry = z
  .object({
    id: rowId,
    state: z.enum(['open', 'expired', 'done', 'refused']),
    reason: z.enum(SSO_REFUSALS).nullable(),
    claims: z
      .record(z.string(), z.unknown())
      .nullable()
      .meta({ description: 'The claims that the provider has signed' }),
    createdAt: moment,
    expiresAt: moment,
    finishedAt: moment.nullable(),
  })
  .meta({ id: 'SsoTry' });

/** An identity at a provider that signs a member in. */
export const shownIdentity = z
  .object({
    id: rowId,
    issuer: z.string().meta({ examples: ['https://acme.okta.com'] }),
    subject: z.string().meta({ examples: ['00u1b2c3d4'] }),
    connectionId: rowId,
    how: z.enum(LINK_GROUNDS),
    linkedAt: moment,
    lastUsedAt: moment.nullable(),
  })
  .meta({ id: 'Identity' });

/** The identities that sign a member in. */
export const shownIdentities = z
  .object({ identities: z.array(shownIdentity) })
  .meta({ id: 'Identities' });
