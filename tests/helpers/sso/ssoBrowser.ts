import { randomBytes } from 'node:crypto';
import type { Express } from 'express';
import request from 'supertest';
import { db } from '@/server/db';
import { domains } from '@/server/db/schema';
import { loadConfig, requireReady } from '@/server/config';
import { readSsoSettings } from '@/server/config/ssoSettings';
import { as, seedOfficer } from '../people/officer';
import { openNode } from '../server/openNode';
import type { Node } from '../server/openNode';
import type { SeededAuth } from '../seedAuth';
import { CLIENT } from './provider';

/** The public address of the nodes of these tests. */
export const PUBLIC = 'https://id.example';

/** Opens a node that may ask providers at these places. */
export const openSsoNode = (places: readonly string[], returnUrl?: string): Node =>
  openNode((config) => ({
    ...config,
    ...readSsoSettings({ SSO_ALLOWED_HOSTS: places.join(','), SSO_RETURN_URL: returnUrl }),
    mail: { ...requireReady(loadConfig()).mail, publicUrl: PUBLIC },
  }));

/** A tenant with a connection and a proven domain. */
export interface Federated {
  officer: SeededAuth;
  connectionId: string;
  domain: string;
}

/** Gives a tenant a proven domain that no other test has. */
export async function giveDomain({ tenantId, staffId }: SeededAuth): Promise<string> {
  const domain = `s${randomBytes(6).toString('hex')}.example`;
  const token = randomBytes(20).toString('hex');
  const row = { tenantId, domain, token, createdBy: staffId, provenAt: new Date() };
  await db.insert(domains).values({ ...row, finding: 'found' });
  return domain;
}

/** Connects a tenant to a provider. @returns the id of the connection */
export async function connect(
  app: Express,
  officer: { token: string },
  issuer: string,
  more: object = {},
): Promise<string> {
  const input = { name: 'Okta', issuer, ...CLIENT, ...more };
  const res = await as(app, officer).post('/api/tenants/sso', input);
  if (res.status !== 201) throw new Error(`the connection was answered with ${res.status}`);
  return (res.body as { id: string }).id;
}

/** Creates a tenant with a connection to a provider, and a proven domain. */
export async function federate(app: Express, issuer: string): Promise<Federated> {
  const officer = await seedOfficer();
  const connectionId = await connect(app, officer, issuer);
  return { officer, connectionId, domain: await giveDomain(officer) };
}

/** Returns the pairs of the cookies that an answer sets, by name. */
export function cookiesOf(res: { headers: Record<string, unknown> }): Record<string, string> {
  const set = (res.headers['set-cookie'] ?? []) as string[];
  return Object.fromEntries(
    set.map((line) => {
      const pair = line.split(';', 1)[0] ?? '';
      return [pair.slice(0, pair.indexOf('=')), pair] as const;
    }),
  );
}

/** A browser that was sent to a provider. */
export interface Sent {
  url: URL;
  /** The `Cookie` header of its later requests. */
  cookie: string;
}

/** Begins a sign-in. */
export async function start(app: Express, connectionId: string, more: object = {}): Promise<Sent> {
  const res = await request(app)
    .post('/api/auth/sso/start')
    .send({ connectionId, ...more });
  if (res.status !== 200) throw new Error(`the start was answered with ${res.status}`);
  const { authorizationUrl } = res.body as { authorizationUrl: string };
  return { url: new URL(authorizationUrl), cookie: cookiesOf(res)['sso'] ?? '' };
}

/** Signs in at a real provider. @returns the path and query with which the browser comes back */
export async function visit({ url }: Pick<Sent, 'url'>): Promise<string> {
  const jar = new Map<string, string>();
  let at = url;
  for (let step = 0; step < 10 && at.origin !== PUBLIC; step += 1) {
    const cookie = [...jar.values()].join('; ');
    const res = await fetch(at, { redirect: 'manual', headers: { cookie } });
    for (const line of res.headers.getSetCookie()) {
      const pair = line.split(';', 1)[0] ?? '';
      jar.set(pair.slice(0, pair.indexOf('=')), pair);
    }
    const location = res.headers.get('location');
    if (location === null) throw new Error(`the provider answered ${res.status}`);
    at = new URL(location, at);
  }
  return `${at.pathname}${at.search}`;
}

/** Comes back from a provider, as a navigation from its page. @returns the address to go on to */
export async function comeBack(app: Express, path: string, cookie: string): Promise<string> {
  const res = await request(app)
    .get(path)
    .set('cookie', cookie)
    .set('sec-fetch-site', 'cross-site');
  if (res.status !== 303) throw new Error(`the callback was answered with ${res.status}`);
  return String(res.headers['location']);
}

/** Finishes a sign-in. */
export const complete = (app: Express, cookie: string, body: object = {}) =>
  request(app).post('/api/auth/sso/complete').set('cookie', cookie).send(body);

/** Signs in from the start to the answer of the completion. */
export async function signInAt(app: Express, connectionId: string) {
  const sent = await start(app, connectionId);
  const location = await comeBack(app, await visit(sent), sent.cookie);
  return { location, res: await complete(app, sent.cookie) };
}
