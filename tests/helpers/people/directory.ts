import { randomBytes } from 'node:crypto';
import type { Express } from 'express';
import request from 'supertest';
import { db } from '@/server/db';
import { domains } from '@/server/db/schema';
import { seedTestUserAndToken } from '../seedAuth';
import type { SeededAuth } from '../seedAuth';
import { makeApiKey } from './programs';

export const USERS = '/scim/v2/Users';
export const USER_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const PATCH_OP = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

/** The answer about one user. */
export interface ScimUser {
  id: string;
  userName: string;
  active: boolean;
  meta: { version: string; location: string };
}

/** Makes the requests of a directory. */
export function callsOf(app: Express, key: string) {
  const send = (method: 'get' | 'post' | 'put' | 'patch' | 'delete', path: string) =>
    request(app)
      [method](path)
      .set('authorization', `Bearer ${key}`)
      .set('accept', 'application/scim+json');
  const withBody = (method: 'post' | 'put' | 'patch', path: string, body: object) =>
    send(method, path)
      .set('content-type', 'application/scim+json; charset=utf-8')
      .send(JSON.stringify(body));
  return {
    get: (path: string) => send('get', path),
    find: (filter: string) => send('get', USERS).query({ filter, startIndex: 1, count: 100 }),
    post: (body: object) => withBody('post', USERS, body),
    put: (id: string, body: object) => withBody('put', `${USERS}/${id}`, body),
    patch: (id: string, ...operations: unknown[]) =>
      withBody('patch', `${USERS}/${id}`, { schemas: [PATCH_OP], Operations: operations }),
    del: (id: string) => send('delete', `${USERS}/${id}`),
  };
}

/** Proves a domain for a tenant. */
export async function seedDomain({ tenantId, staffId }: Pick<SeededAuth, 'tenantId' | 'staffId'>) {
  const domain = `d${randomBytes(6).toString('hex')}.example`;
  const row = { tenantId, domain, token: randomBytes(20).toString('hex'), createdBy: staffId };
  await db.insert(domains).values({ ...row, provenAt: new Date(), finding: 'found' });
  return domain;
}

/** A tenant with an administrator, a proven domain, and a directory with a key. */
export interface Directory {
  admin: SeededAuth;
  domain: string;
  keyId: string;
  calls: ReturnType<typeof callsOf>;
  /** Returns an address of the domain that nobody has. */
  newAddress(): string;
}

export const ADMINISTERS = ['TENANT_STAFF_VIEW', 'TENANT_STAFF_MANAGE', 'TENANT_ROLES_MANAGE'];

/** Seeds a tenant whose directory may use SCIM. */
export async function seedDirectory(app: Express): Promise<Directory> {
  const permissions = ['API_KEYS_MANAGE', 'SCIM_PROVISION', ...ADMINISTERS];
  const admin = await seedTestUserAndToken({ permissions });
  const domain = await seedDomain(admin);
  const { id: keyId, key } = await makeApiKey(app, admin, { permissions: ['SCIM_PROVISION'] });
  const newAddress = () => `u${randomBytes(5).toString('hex')}@${domain}`;
  return { admin, domain, keyId, calls: callsOf(app, key), newAddress };
}

/** Makes a new user of the directory, as Okta does. */
export async function provision(
  { calls, newAddress }: Pick<Directory, 'calls' | 'newAddress'>,
  more: object = {},
): Promise<ScimUser> {
  const userName = newAddress();
  const { status, body } = await calls.post({ schemas: [USER_SCHEMA], userName, ...more });
  if (status !== 201) throw new Error(`the user was answered with ${status}`);
  return body as ScimUser;
}
