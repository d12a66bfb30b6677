import { z } from 'zod';
import { storableText } from '../http/routeTable';

const address = storableText(2000);
const words = z.array(storableText(100)).max(100);

/**
 * The part of a discovery document that is kept, under its own names (OpenID Connect Discovery 1.0,
 * section 3). Everything else is dropped, so a provider cannot fill the database.
 */
export const providerMetadata = z.object({
  issuer: address,
  authorization_endpoint: address,
  token_endpoint: address,
  jwks_uri: address,
  end_session_endpoint: address.optional().catch(undefined),
  response_types_supported: words.optional().catch(undefined),
  id_token_signing_alg_values_supported: words,
  token_endpoint_auth_methods_supported: words.optional().catch(undefined),
  authorization_response_iss_parameter_supported: z.boolean().optional().catch(undefined),
  claims_parameter_supported: z.boolean().optional().catch(undefined),
});

export type ProviderMetadata = z.output<typeof providerMetadata>;

/** The algorithms by which a provider may sign its tokens, the best first. */
export const SIGNING_ALGORITHMS = ['ES256', 'PS256', 'RS256', 'EdDSA', 'Ed25519'] as const;
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

/** How the server proves to the provider that it is the client: RFC 6749 2.3.1. */
export const TOKEN_AUTH_METHODS = ['basic', 'post'] as const;
export type TokenAuthMethod = (typeof TOKEN_AUTH_METHODS)[number];
