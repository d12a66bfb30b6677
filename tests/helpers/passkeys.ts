import type { Express } from 'express';
import request from 'supertest';
import type { Deps } from '@/server/deps';
import { SoftAuthenticator } from './softAuthenticator';

type Options = ConstructorParameters<typeof SoftAuthenticator>[1];

/** The calls that somebody with a browser and a passkey makes; without a token, as at a login. */
export function passkeyCalls(app: Express, token?: string) {
  const post = (path: string, body: object) => {
    const call = request(app).post(`/api/security${path}`);
    return (token === undefined ? call : call.set('authorization', `Bearer ${token}`)).send(body);
  };
  return {
    register: () => post('/passkeys/register/start', {}),
    finish: (response: unknown, name: unknown = 'My key') =>
      post('/passkeys/register/finish', { name, response }),
    begin: (purpose: string, more: object = {}) =>
      post('/step-up/start', { method: 'passkey', purpose, ...more }),
    prove: (passkey: unknown, purpose: string, more: object = {}) =>
      post('/step-up/verify', { passkey, purpose, ...more }),
    proveByCode: (code: string, purpose: string) => post('/step-up/verify', { code, purpose }),
  };
}

/** An authenticator at the page that the application is for. */
export function newAuthenticator(deps: Deps, options: Options = {}): SoftAuthenticator {
  const origin = deps.config.webauthn?.origins[0];
  if (origin === undefined) throw new Error('this application knows no passkeys');
  return new SoftAuthenticator(origin, options);
}

/** Registers a passkey over HTTP, as somebody who needs no proof for it. */
export async function givePasskey(
  { app, deps }: { app: Express; deps: Deps },
  token: string,
  options: Options = {},
): Promise<SoftAuthenticator> {
  const calls = passkeyCalls(app, token);
  const authenticator = newAuthenticator(deps, options);
  const offer = await calls.register();
  const res = await calls.finish(authenticator.create(offer.body));
  if (res.status !== 200) throw new Error(`the registration answered ${res.status} ${res.text}`);
  return authenticator;
}
