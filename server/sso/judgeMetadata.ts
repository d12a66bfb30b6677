import { AppError } from '../errors';
import { SIGNING_ALGORITHMS, TOKEN_AUTH_METHODS, providerMetadata } from '../ssoConnections';
import type { ProviderMetadata, SigningAlgorithm, TokenAuthMethod } from '../ssoConnections';
import { FETCH_RULES } from './fetchRefused';
import { hasAllowedScheme, judgeUrl } from './fetchTarget';
import type { TargetRules } from './fetchTarget';

const PROVIDER_RULES = {
  missing: 'is missing, or has another type.',
  not_a_url: 'is not an absolute address.',
  fragment: 'must not contain a fragment.',
  algorithm: `must list one of ${SIGNING_ALGORITHMS.join(', ')}.`,
  response_type: 'must list "code".',
  token_auth:
    'does not list the way in which the client secret is to be sent (client_secret_basic or client_secret_post).',
} as const;

type ProviderRule = keyof typeof PROVIDER_RULES | keyof typeof FETCH_RULES;

/** Builds the error for a provider whose discovery document cannot be used. */
function refusedProvider(field: string, rule: ProviderRule): AppError {
  const text =
    rule in PROVIDER_RULES
      ? `${field} ${PROVIDER_RULES[rule as keyof typeof PROVIDER_RULES]}`
      : `${field}: ${FETCH_RULES[rule as keyof typeof FETCH_RULES]}`;
  const detail = `In the discovery document of the provider, ${text}`;
  return new AppError('SSO_PROVIDER_REFUSED', { detail, extra: { field, rule } });
}

/** The endpoints to which only browsers are sent. They may be inside the tenant's own network. */
const OF_BROWSERS = ['authorization_endpoint', 'end_session_endpoint'] as const;
/** The endpoints that the server asks. */
const OF_SERVER = ['token_endpoint', 'jwks_uri'] as const;

function judgeBrowserUrl(url: URL, rules: TargetRules): ProviderRule | undefined {
  if (!hasAllowedScheme(url, rules)) return 'not_https';
  return url.username === '' && url.password === '' ? undefined : 'credentials';
}

function assertEndpoints(metadata: ProviderMetadata, rules: TargetRules): void {
  const judge = (field: string, text: string, judgeOne: typeof judgeBrowserUrl) => {
    if (!URL.canParse(text)) throw refusedProvider(field, 'not_a_url');
    const url = new URL(text);
    const refusal = judgeOne(url, rules) ?? (text.includes('#') ? 'fragment' : undefined);
    if (refusal !== undefined) throw refusedProvider(field, refusal);
  };
  for (const field of OF_BROWSERS) {
    const text = metadata[field];
    if (text !== undefined) judge(field, text, judgeBrowserUrl);
  }
  for (const field of OF_SERVER) judge(field, metadata[field], judgeUrl);
}

/**
 * Reads a discovery document, and keeps what sign-in needs.
 * @throws AppError SSO_PROVIDER_REFUSED with the field and the rule
 */
export function readMetadata(document: unknown, rules: TargetRules): ProviderMetadata {
  const parsed = providerMetadata.safeParse(document);
  if (!parsed.success) {
    throw refusedProvider(String(parsed.error.issues[0]?.path[0] ?? 'issuer'), 'missing');
  }
  const metadata = parsed.data;
  if (metadata.response_types_supported?.includes('code') === false) {
    throw refusedProvider('response_types_supported', 'response_type');
  }
  assertEndpoints(metadata, rules);
  // JSON drops the fields that are undefined, as the database will.
  return JSON.parse(JSON.stringify(metadata)) as ProviderMetadata;
}

/**
 * Chooses the only algorithm that tokens of a connection may have. Fixing it keeps somebody who can
 * change an answer of the provider from choosing a weaker one.
 * @throws AppError SSO_PROVIDER_REFUSED
 */
export function chooseAlgorithm(metadata: ProviderMetadata): SigningAlgorithm {
  const field = 'id_token_signing_alg_values_supported';
  const chosen = SIGNING_ALGORITHMS.find((one) => metadata[field].includes(one));
  if (chosen === undefined) throw refusedProvider(field, 'algorithm');
  return chosen;
}

/**
 * Chooses how the client secret is sent.
 * @param wanted the tenant's own choice; undefined for what the provider supports, basic first
 * @throws AppError SSO_PROVIDER_REFUSED
 */
export function chooseTokenAuth(
  metadata: ProviderMetadata,
  wanted: TokenAuthMethod | undefined,
): TokenAuthMethod {
  const field = 'token_endpoint_auth_methods_supported';
  // OpenID Connect Discovery 1.0, section 3: the default if the document is silent.
  const listed = metadata[field] ?? ['client_secret_basic'];
  const possible = wanted === undefined ? TOKEN_AUTH_METHODS : [wanted];
  const chosen = possible.find((one) => listed.includes(`client_secret_${one}`));
  if (chosen === undefined) throw refusedProvider(field, 'token_auth');
  return chosen;
}
