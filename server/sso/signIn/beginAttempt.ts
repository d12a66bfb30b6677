import { buildAuthorizationUrl, calculatePKCECodeChallenge } from 'openid-client';
import type { RequestContext } from '../../context';
import type { SsoAttemptKind } from '../../db/schema';
import { inTenant } from '../../db/tenantScope';
import { AppError } from '../../errors';
import { addressBlock } from '../../security';
import type { SsoDeps } from '../deps';
import { newCookie, newSecret, sealSecrets } from './attemptSecrets';
import { ATTEMPT_SEC, countOpen, insertAttempt } from './ssoAttemptStore';
import { configureClient } from './clientConfiguration';
import type { SignInClient } from './clientStore';
import { redirectUriOf } from './redirectAddress';

/** A whole office may sign in from one address at the same time. */
const MOST_OPEN = 100;

/** The signed-in person who tries a connection, or links their identity. */
export interface AttemptingPerson {
  readonly staffId: string;
  readonly userId: string;
  readonly sessionId: string;
}

/** A browser that is to be sent to a provider. */
export interface BegunAttempt {
  readonly id: string;
  readonly authorizationUrl: string;
  readonly expiresAt: Date;
  /** The value of the browser's cookie. */
  readonly cookie: string;
}

interface Beginning {
  readonly kind: SsoAttemptKind;
  readonly person: AttemptingPerson | null;
  readonly rememberMe: boolean;
}

/**
 * Begins an attempt at a provider, with a state, a nonce and a PKCE verifier of its own (OpenID
 * Connect Core 3.1.2.1, RFC 7636).
 * @throws AppError TOO_MANY_SSO_ATTEMPTS if the sender has too many open ones; SSO_UNAVAILABLE
 */
export async function beginAttempt(
  deps: SsoDeps,
  ctx: RequestContext,
  client: SignInClient,
  { kind, person, rememberMe }: Beginning,
): Promise<BegunAttempt> {
  const { keys, random } = deps;
  const { tenantId, id: connectionId, issuer, clientId } = client;
  const redirectUri = redirectUriOf(deps, connectionId);
  const [state, nonce, verifier] = [newSecret(random), newSecret(random), newSecret(random)];
  const cookie = newCookie(random, tenantId);
  const row = { id: random.id(), tenantId };
  const sender = addressBlock(ctx.ip);
  const { staffId = null, userId = null, sessionId = null } = person ?? {};
  const expiresAt = await inTenant(deps.db, tenantId, async (tx) => {
    const open = await countOpen(tx, tenantId, keys.hashAll('sso-sender', tenantId, sender));
    if (open >= MOST_OPEN) {
      throw new AppError('TOO_MANY_SSO_ATTEMPTS', {
        headers: { 'retry-after': String(ATTEMPT_SEC) },
      });
    }
    return insertAttempt(tx, {
      ...{ ...row, connectionId, kind, staffId, userId, sessionId, rememberMe },
      stateHash: keys.hash('sso-state', state),
      cookieHash: keys.hash('sso-cookie', cookie),
      senderHash: keys.hash('sso-sender', tenantId, sender),
      secretsSealed: sealSecrets(keys, row, { nonce, verifier, issuer, clientId }),
    });
  });
  const url = buildAuthorizationUrl(configureClient(deps, client, null), {
    redirect_uri: redirectUri,
    scope: 'openid email profile',
    state,
    nonce,
    code_challenge: await calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  if (client.requiredHostedDomain !== null) url.searchParams.set('hd', client.requiredHostedDomain);
  return { id: row.id, authorizationUrl: url.href, expiresAt, cookie };
}
