import { ClientError, None, allowInsecureRequests, customFetch, discovery } from 'openid-client';
import { AppError } from '../errors';
import type { ProviderMetadata } from '../ssoConnections';
import type { SsoDeps } from './deps';
import { FETCH_RULES, FetchRefused } from './fetchRefused';
import type { FetchRule } from './fetchRefused';
import { assertIssuer, assertSameIssuer, refusedIssuer } from './issuerRules';
import { readMetadata } from './judgeMetadata';

/** Longer than the bound of a guarded request, which says more precisely what is wrong. */
const TIMEOUT_SEC = 10;

const STATUS = 'The address of the discovery document answered with an error.';

/** The rules that a look at the discovery document can break. */
type DiscoveryRule = FetchRule | 'status';

/** Builds the error for a provider that could not be asked. It repeats nothing of the answer. */
function failed(rule: DiscoveryRule, cause: unknown): AppError {
  const detail = rule === 'status' ? STATUS : FETCH_RULES[rule];
  return new AppError('SSO_DISCOVERY_FAILED', { detail, extra: { rule }, cause });
}

/** Finds a refusal of the guarded fetch among the causes of an error. */
function findRefusal(error: unknown): FetchRefused | undefined {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof FetchRefused) return each;
  }
  return undefined;
}

function toAppError(error: unknown): AppError {
  const refusal = findRefusal(error);
  if (refusal) return failed(refusal.rule, error);
  const code = error instanceof ClientError ? error.code : undefined;
  if (code === 'OAUTH_RESPONSE_IS_NOT_CONFORM') return failed('status', undefined);
  if (code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED') return refusedIssuer('mismatch');
  // The causes of the library hold the body, which must not reach the log.
  return failed('malformed', undefined);
}

/**
 * Reads the discovery document of an issuer and checks it.
 * @throws AppError SSO_ISSUER_REFUSED, SSO_DISCOVERY_FAILED, SSO_PROVIDER_REFUSED
 */
export async function discoverProvider(
  { ssoFetch, ssoTargets }: Pick<SsoDeps, 'ssoFetch' | 'ssoTargets'>,
  issuer: string,
): Promise<ProviderMetadata> {
  assertIssuer(issuer, ssoTargets);
  const execute = ssoTargets.allowsHttp ? [allowInsecureRequests] : [];
  const options = { [customFetch]: ssoFetch, timeout: TIMEOUT_SEC, execute };
  // The client's id is not part of the request.
  const found = await discovery(new URL(issuer), 'unused', undefined, None(), options).catch(
    (error: unknown) => {
      throw toAppError(error);
    },
  );
  const document = found.serverMetadata();
  // The library lets some issuers of Microsoft differ from the one that was asked for.
  assertSameIssuer(document.issuer, issuer);
  return readMetadata(document, ssoTargets);
}
