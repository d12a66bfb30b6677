import type { Express } from 'express';
import request from 'supertest';
import type { Deps } from '@/server/deps';
import { createServiceKey, serviceKeyInput } from '@/server/service';
import type { ServiceScope } from '@/server/serviceScopes';
import { operatorContext } from '../server/openNode';
import { as } from './officer';

let made = 0;

/** Returns a name that no other key of this file has. */
export const newKeyName = () => `Program ${(made += 1)}`;

export interface MadeKey {
  id: string;
  key: string;
  name: string;
  expiresAt: string;
}

/** Creates an API key as its holder, with a fresh proof. */
export async function makeApiKey(
  app: Express,
  holder: { token: string },
  input: Record<string, unknown> = {},
): Promise<MadeKey> {
  const body = { name: newKeyName(), permissions: ['TENANT_STAFF_VIEW'], ...input };
  const res = await as(app, holder).post('/api/tenants/api-keys', body);
  if (res.status !== 201) {
    throw new Error(`the key was answered with ${res.status} ${JSON.stringify(res.body)}`);
  }
  return res.body as MadeKey;
}

/** Creates a service key as an operator, and returns its text. */
export async function makeServiceKey(
  deps: Deps,
  scopes: ServiceScope[],
  more: { addresses?: string[]; expiresInDays?: number } = {},
): Promise<string> {
  const input = serviceKeyInput.parse({ name: newKeyName(), scopes, addresses: [], ...more });
  return (await createServiceKey(deps, operatorContext, input)).key;
}

/** Makes the requests of a program. */
export const withKey = (app: Express, key: string) => {
  const send = (method: 'get' | 'put' | 'post' | 'delete', path: string) =>
    request(app)[method](path).set('authorization', `Bearer ${key}`);
  return {
    get: (path: string) => send('get', path),
    put: (path: string, body: object) => send('put', path).send(body),
    post: (path: string, body: object) => send('post', path).send(body),
    del: (path: string) => send('delete', path),
  };
};
