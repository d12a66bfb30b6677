import {
  AuthorizationResponseError,
  ClientError,
  ResponseBodyError,
  WWWAuthenticateChallengeError,
  authorizationCodeGrant,
} from 'openid-client';
import type { SsoRefusal } from '../../audit';
import { openClientSecret } from '../../ssoConnections';
import type { SsoDeps } from '../deps';
import { FetchRefused } from '../fetchRefused';
import type { AttemptSecrets } from './attemptSecrets';
import { configureClient } from './clientConfiguration';
import type { SignInClient } from './clientStore';
import { readClaims } from './providerClaims';
import type { ProviderClaims } from './providerClaims';

/** The outcome of an exchange. `payload` is there if a signature was verified, for a try. */
export type Exchange =
  | { readonly claims: ProviderClaims; readonly payload: object }
  | { readonly refusal: SsoRefusal; readonly payload?: object };

/** Lists an error and its causes. */
function chainOf(error: unknown): Error[] {
  const chain: Error[] = [];
  for (let each = error; each instanceof Error && chain.length < 10; each = each.cause) {
    chain.push(each);
  }
  return chain;
}

/** The claim about which the library complains, where it names one. */
function claimOf(chain: readonly Error[]): unknown {
  for (const { cause } of chain) {
    if (typeof cause === 'object' && cause !== null && 'claim' in cause) return cause.claim;
  }
  return undefined;
}

const BY_CLAIM: Readonly<Record<string, SsoRefusal>> = {
  iss: 'token_issuer',
  aud: 'token_audience',
  azp: 'token_audience',
  nonce: 'token_nonce',
  exp: 'token_time',
  iat: 'token_time',
  nbf: 'token_time',
  sub: 'token_subject',
};

/** The messages of the library that its codes do not tell apart. */
const BY_MESSAGE: readonly (readonly [RegExp, SsoRefusal])[] = [
  [/response parameter/, 'answer_of_other_provider'],
  [/"alg" header|JWS algorithm|JWS "alg"/, 'token_algorithm'],
  [/JWT verification key/, 'token_key'],
  [/signature verification failed/, 'token_signature'],
  [/"id_token" property|ID Token/, 'token_missing'],
  [/JWT/, 'token_malformed'],
  [/parameter|callbackParameters/, 'answer_malformed'],
];

/** Returns the reason behind an error of the library. Nothing else of the error is kept. */
function refusalOf(error: unknown): SsoRefusal {
  const chain = chainOf(error);
  if (chain.some((each) => each instanceof FetchRefused)) return 'provider_unreachable';
  if (error instanceof AuthorizationResponseError) return 'provider_refused';
  if (error instanceof WWWAuthenticateChallengeError) {
    return error.cause.some(({ scheme }) => scheme.toLowerCase() === 'basic')
      ? 'secret_refused'
      : 'provider_failed';
  }
  if (error instanceof ResponseBodyError) {
    if (error.error === 'invalid_client') return 'secret_refused';
    return error.error === 'invalid_grant' ? 'code_refused' : 'provider_failed';
  }
  const claim = BY_CLAIM[String(claimOf(chain))];
  if (claim !== undefined) return claim;
  const messages = chain.map(({ message }) => message);
  const found = BY_MESSAGE.find(([pattern]) => messages.some((text) => pattern.test(text)));
  if (found) return found[1];
  return error instanceof ClientError ? 'provider_failed' : 'answer_malformed';
}

interface Asked {
  readonly client: SignInClient;
  readonly secrets: AttemptSecrets;
  readonly state: string;
  /** The redirect URI, with the query that the browser brought. */
  readonly answer: URL;
}

async function exchangeWith(deps: SsoDeps, secret: string, asked: Asked): Promise<Exchange> {
  const { client, secrets, state, answer } = asked;
  const { nonce, verifier } = secrets;
  let tokens: Awaited<ReturnType<typeof authorizationCodeGrant>>;
  try {
    tokens = await authorizationCodeGrant(configureClient(deps, client, secret), answer, {
      expectedState: state,
      expectedNonce: nonce,
      pkceCodeVerifier: verifier,
      idTokenExpected: true,
    });
  } catch (error) {
    return { refusal: refusalOf(error) };
  }
  const payload = tokens.claims();
  if (payload === undefined || tokens.id_token === undefined) return { refusal: 'token_missing' };
  const now = deps.clock.now();
  const read = readClaims(tokens.id_token, payload, { client, nonce, now });
  return { ...read, payload };
}

/**
 * Exchanges the code for an ID token, and checks it. If the provider says that the secret is wrong,
 * and the secret before is still in its overlap, that one is tried once: a wrong secret does not use
 * up the code (RFC 6749 5.2).
 * @returns the claims, or the reason to refuse them; it throws for no answer of a provider
 */
export async function exchangeCode(deps: SsoDeps, asked: Asked): Promise<Exchange> {
  const { client } = asked;
  const sealed = [client.secretSealed, client.previousSealed].filter((one) => one !== null);
  let done: Exchange = { refusal: 'secret_refused' };
  for (const one of sealed) {
    const secret = openClientSecret(deps.keys, client, one);
    if (secret === null) continue;
    done = await exchangeWith(deps, secret, asked);
    if (!('refusal' in done) || done.refusal !== 'secret_refused') return done;
  }
  return done;
}
