import type { ConnectionColumns } from './connectionStore';
import type { ProviderMetadata } from './providerMetadata';

/** Returns the endpoints of a provider under the names that people see. */
export const endpointsOf = (metadata: ProviderMetadata) => ({
  authorization: metadata.authorization_endpoint,
  token: metadata.token_endpoint,
  jwks: metadata.jwks_uri,
  endSession: metadata.end_session_endpoint ?? null,
});

/** Returns the properties of a connection that its events show. */
export const describeConnection = ({
  name,
  issuer,
  clientId = null,
  tokenAuth,
  alg,
  requiredHostedDomain = null,
  metadata,
}: ConnectionColumns) => ({
  ...{ name, issuer, clientId, tokenAuth, alg, requiredHostedDomain },
  endpoints: endpointsOf(metadata),
});
