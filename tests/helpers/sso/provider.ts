import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type * as OidcProvider from 'oidc-provider';
import { closeLater } from '../server/closing';

/** Starts a web server on loopback. @returns its origin, and `host:port` for `SSO_ALLOWED_HOSTS` */
export async function startWeb(listener: (origin: string) => RequestListener) {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closeLater(async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  });
  const place = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const origin = `http://${place}`;
  server.on('request', listener(origin));
  return { origin, place };
}

/** Somebody who has an account at the provider. */
export interface ProviderAccount {
  sub: string;
  [claim: string]: unknown;
}

export const CLIENT = { clientId: 'gatehouse', clientSecret: 'first-secret-of-the-client' };

/**
 * Starts a real provider, whose issuer is its origin.
 * @returns it with `signInAs`, which decides who signs in next
 */
export async function startProvider() {
  // It warns that it was made for a later Node, and that it keeps its data in memory.
  const warn = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
  // The times to live are its defaults, which it says at their first use.
  jest.spyOn(console, 'info').mockImplementation(() => undefined);
  const { Provider } = jest.requireActual<typeof OidcProvider>('oidc-provider');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...privateKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' };
  const accounts = new Map<string, ProviderAccount>();
  let next = 'nobody';
  const web = await startWeb((origin) => {
    const provider = new Provider(origin, {
      jwks: { keys: [jwk] },
      cookies: { keys: ['k'] },
      clients: [
        {
          client_id: CLIENT.clientId,
          client_secret: CLIENT.clientSecret,
          redirect_uris: ['https://id.example/api/auth/sso/callback/any'],
        },
      ],
      features: { devInteractions: { enabled: false } },
      enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
      clientDefaults: { id_token_signed_response_alg: 'ES256' },
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
      conformIdTokenClaims: false,
      interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
      findAccount: (_ctx, id) => ({
        accountId: id,
        claims: () => accounts.get(id) ?? { sub: id },
      }),
      async loadExistingGrant(ctx) {
        const { client, session } = ctx.oidc;
        const grant = new ctx.oidc.provider.Grant({
          clientId: client?.clientId ?? '',
          accountId: session?.accountId ?? '',
        });
        grant.addOIDCScope('openid email profile');
        await grant.save();
        return grant;
      },
    });
    // Each connection has a redirect URI of its own, with an id that is made later.
    provider.Client.prototype.redirectUriAllowed = (uri: string) =>
      uri.startsWith('https://id.example/api/auth/sso/callback/');
    const handle = provider.callback();
    return (req, res) => {
      if (!req.url?.startsWith('/interaction/')) return void handle(req, res);
      void provider.interactionFinished(req, res, { login: { accountId: next } });
    };
  });
  warn.mockRestore();
  const signInAs = (account: ProviderAccount) => {
    accounts.set(account.sub, account);
    next = account.sub;
  };
  return { ...web, signInAs };
}
