import {
  ClientSecretBasic,
  ClientSecretPost,
  Configuration,
  None,
  allowInsecureRequests,
  clockSkew,
  customFetch,
  enableNonRepudiationChecks,
} from 'openid-client';
import { SECOND_MS } from '../../durations';
import type { ServerMetadata } from 'openid-client';
import type { SsoDeps } from '../deps';
import type { ProviderMetadata } from '../../ssoConnections';
import type { SignInClient } from './clientStore';

/** Longer than the bound of a guarded request, which says more precisely what is wrong. */
const TIMEOUT_SEC = 10;

/** The fields that a sign-in needs. */
const toServer = (metadata: ProviderMetadata): ServerMetadata => ({
  issuer: metadata.issuer,
  authorization_endpoint: metadata.authorization_endpoint,
  token_endpoint: metadata.token_endpoint,
  jwks_uri: metadata.jwks_uri,
  authorization_response_iss_parameter_supported:
    metadata.authorization_response_iss_parameter_supported === true,
});

type ConfigurationDeps = Pick<SsoDeps, 'ssoFetch' | 'ssoTargets' | 'clock'>;

/**
 * Builds the library's view of a connection from what is stored. It is new for each sign-in: a
 * former one would hold keys that the provider may have replaced since.
 * @param secret the client secret; null if nothing is sent to the provider by this server
 */
export function configureClient(
  { ssoFetch, ssoTargets, clock }: ConfigurationDeps,
  { metadata, clientId, tokenAuth, alg }: SignInClient,
  secret: string | null,
): Configuration {
  const prove = tokenAuth === 'basic' ? ClientSecretBasic : ClientSecretPost;
  const skewSec = Math.round((clock.now().getTime() - Date.now()) / SECOND_MS);
  const client = { id_token_signed_response_alg: alg, [clockSkew]: skewSec };
  const auth = secret === null ? None() : prove(secret);
  const configuration = new Configuration(toServer(metadata), clientId, client, auth);
  configuration[customFetch] = ssoFetch;
  configuration.timeout = TIMEOUT_SEC;
  if (ssoTargets.allowsHttp) allowInsecureRequests(configuration);
  // Without it, the library does not check the signature of an ID token from the token endpoint.
  enableNonRepudiationChecks(configuration);
  return configuration;
}
