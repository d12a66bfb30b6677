import { z } from 'zod';
import { overlapField } from '../apiKeys';
import { storableText } from '../http/routeTable';
import { oneLine } from '../tenants';
import { TOKEN_AUTH_METHODS } from '../ssoConnections';

/** RFC 6749 appendix A.1 and A.2: an id and a secret have visible characters and spaces. */
const VISIBLE = /^[\x20-\x7e]+$/;
const visible = (most: number, example: string) =>
  storableText(most, 1, example).refine((text) => VISIBLE.test(text), {
    message: 'must have only letters, digits, spaces and punctuation of ASCII',
  });

const DOMAIN =
  /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/;

const clientSecret = visible(1000, 'uR8Q~kV2').describe(
  'The client secret. It is stored encrypted, and never shown again',
);

/** The properties of a connection that a tenant chooses. */
const properties = z.strictObject({
  name: oneLine(100, 1).meta({ examples: ['Okta'] }),
  issuer: storableText(500, 1, 'https://acme.okta.com').describe(
    'The issuer, exactly as the provider shows it',
  ),
  clientId: visible(300, '0oa1b2c3d4'),
  tokenAuth: z
    .enum(TOKEN_AUTH_METHODS)
    .describe('How the client secret is sent to the provider: in a header, or in the form'),
  requiredHostedDomain: storableText(253, 1, 'example.com')
    .refine((text) => DOMAIN.test(text), { message: 'must be a domain in lower case' })
    .nullable()
    .describe('For Google: the Google Workspace domain whose people may sign in'),
});

export const createBody = properties.extend({
  clientId: properties.shape.clientId
    .optional()
    .describe(
      'Leave it out to make a draft, which has the redirect URI that the provider asks for',
    ),
  tokenAuth: properties.shape.tokenAuth.optional(),
  requiredHostedDomain: properties.shape.requiredHostedDomain.default(null),
  clientSecret: clientSecret
    .optional()
    .describe('Required with a client id, and only then allowed'),
});

export const changeBody = properties.partial().extend({
  clientSecret: clientSecret
    .optional()
    .describe('Required with a new client id or another issuer, and only then allowed'),
});

export const secretBody = z.strictObject({
  clientSecret,
  overlapSec: overlapField.meta({
    description: 'For how many seconds the secret before stays in use beside it: 0 to 604800',
  }),
});

export const connectionParams = z.object({ id: z.string() });

export type NewConnection = z.output<typeof createBody>;
export type ConnectionChange = z.output<typeof changeBody>;
export type NewSecret = z.output<typeof secretBody>;
