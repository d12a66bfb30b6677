import { and, eq } from 'drizzle-orm';
import type { Express } from 'express';
import request from 'supertest';
import { db } from '@/server/db';
import { auditLogs, passkeys } from '@/server/db/schema';
import type { Deps } from '@/server/deps';
import { askForProof } from '../stepUp/askForProof';
import { login } from '../http/authCalls';
import { seedTestUserAndToken } from '../seedAuth';
import { SoftAuthenticator } from './softAuthenticator';

interface Served {
  app: Express;
  deps: Deps;
}

type Options = ConstructorParameters<typeof SoftAuthenticator>[1];

/** Returns the calls of a person with a browser and a passkey; without a token, as at a login. */
export function passkeyCalls(app: Express, token?: string) {
  const post = (path: string, body: object) => {
    const call = request(app).post(`/api/security${path}`);
    return (token === undefined ? call : call.set('authorization', `Bearer ${token}`)).send(body);
  };
  // Outside a session no challenge is opened first, because a login's challenge has its id.
  const asked = async (purpose: string) => {
    if (token !== undefined) await askForProof(app, token, purpose);
  };
  return {
    register: () => post('/passkeys/register/start', {}),
    finish: (response: unknown, name: unknown = 'My key') =>
      post('/passkeys/register/finish', { name, response }),
    /**
     * Opens a challenge first if there is none. Without an id, the open challenge of the session is
     * used.
     */
    begin: async (purpose: string, more: object = {}) => {
      if (!('challengeId' in more)) await asked(purpose);
      return post('/step-up/start', { method: 'passkey', purpose, ...more });
    },
    prove: (passkey: unknown, purpose: string, more: object = {}) =>
      post('/step-up/verify', { passkey, purpose, ...more }),
    proveByCode: async (code: string, purpose: string) => {
      await asked(purpose);
      return post('/step-up/verify', { code, purpose });
    },
  };
}

/** Returns an authenticator for a page of the application. */
export function newAuthenticator(deps: Deps, options: Options = {}): SoftAuthenticator {
  const origin = deps.config.webauthn?.origins[0];
  if (origin === undefined) throw new Error('passkeys are not configured in this application');
  return new SoftAuthenticator(origin, options);
}

/** Registers a passkey over HTTP, for a person who needs no proof for it. */
export async function givePasskey(
  { app, deps }: Served,
  token: string,
  options: Options = {},
): Promise<SoftAuthenticator> {
  const calls = passkeyCalls(app, token);
  const authenticator = newAuthenticator(deps, options);
  const offer = await calls.register();
  const res = await calls.finish(authenticator.create(offer.body));
  if (res.status !== 200)
    throw new Error(`the registration was answered with ${res.status} ${res.text}`);
  return authenticator;
}

/** Returns the access token of a login at the time of this application's clock. */
export async function signIn(app: Express, who: { email: string; password: string }) {
  const res = await login(app, who);
  if (res.status !== 200) throw new Error(`the login was answered with ${res.status}`);
  return String(res.body.accessToken);
}

/** Creates a person who may export after using the one passkey that they have. */
export async function seedHolder(node: Served, options: Options & { tenantId?: string } = {}) {
  const { tenantId, ...authenticator } = options;
  const permissions = ['SETTINGS_SECURITY_VIEW'];
  const member = await seedTestUserAndToken({ permissions, ...(tenantId ? { tenantId } : {}) });
  const token = await signIn(node.app, member);
  const passkey = await givePasskey(node, token, authenticator);
  return { ...member, token, passkey, ...passkeyCalls(node.app, token) };
}

/** Returns why the step-ups of a staff member failed, from the audit log. */
export async function failureReasonsOf(staffId: string): Promise<unknown[]> {
  const rows = await db
    .select()
    .from(auditLogs)
    .where(and(eq(auditLogs.actor, staffId), eq(auditLogs.action, 'STEP_UP_FAILED')));
  return rows.map(({ details }) => details['reason']);
}

export const passkeysOf = (staffId: string) =>
  db.select().from(passkeys).where(eq(passkeys.staffId, staffId));
