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

/** Starts a real provider, whose issuer is its origin. */
export async function startProvider() {
  // It warns that it was made for a later Node, and that it keeps its data in memory.
  const warn = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
  const { Provider } = jest.requireActual<typeof OidcProvider>('oidc-provider');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...privateKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' };
  const web = await startWeb((origin) => {
    const provider = new Provider(origin, {
      jwks: { keys: [jwk] },
      cookies: { keys: ['k'] },
      features: { devInteractions: { enabled: false } },
      enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
      clientDefaults: { id_token_signed_response_alg: 'ES256' },
    });
    const handle = provider.callback();
    return (req, res) => void handle(req, res);
  });
  warn.mockRestore();
  return web;
}
