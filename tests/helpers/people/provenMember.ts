import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import type { Express } from 'express';
import request from 'supertest';
import { signInProven } from '@/server/auth';
import type { ProvenMember } from '@/server/auth';
import type { RequestContext } from '@/server/context';
import type { Deps } from '@/server/deps';
import { db } from '@/server/db';
import { ssoConnections, tenantStaff } from '@/server/db/schema';
import { AppError } from '@/server/errors';
import { identifyDevice } from '@/server/security';
import type { SeededAuth } from '../seedAuth';

const AGENT = 'The laptop of a provider';

/** What a test chooses about a sign-in through a provider; the rest is usual. */
export type Said = Partial<Omit<ProvenMember, 'tenantId' | 'staffId'>> & {
  rememberMe?: boolean;
  ip?: string | null;
};

type Staff = Pick<SeededAuth, 'tenantId' | 'staffId'>;

/** Makes sure that the tenant has a connection with this id. */
const haveConnection = (tenantId: string, id: string) =>
  db
    .insert(ssoConnections)
    .values({
      ...{ id, tenantId, name: 'Okta', issuer: `https://${id}.example`, metadata: {} },
      ...{ tokenAuth: 'basic' as const, alg: 'ES256' as const, metadataAt: new Date() },
    })
    .onConflictDoNothing();

/** Signs a member in as the tenant's provider has proven them, as a callback does. */
export async function signInByProvider(deps: Deps, member: Staff, said: Said = {}) {
  const { tenantId, staffId } = member;
  const { rememberMe = false, ip = '81.2.69.142', connectionId = randomUUID(), ...more } = said;
  await haveConnection(tenantId, connectionId);
  const ctx: RequestContext = {
    ...{ correlationId: randomUUID(), tenantId: null, actor: 'anonymous', sessionId: null },
    ...{ ip, country: null, userAgent: AGENT },
  };
  const [row] = await db.select().from(tenantStaff).where(eq(tenantStaff.id, staffId));
  const sessionVersion = row?.sessionVersion ?? -1;
  const proven = {
    ...{ tenantId, staffId, sessionVersion, connectionId, providerSid: null, amr: [] },
    ...{ authTime: null, trustsFactor: false, ...more },
  };
  const device = identifyDevice(deps.keys, deps.random, undefined, AGENT);
  return signInProven(deps, ctx, proven, { rememberMe, device });
}

/** The refusal of a sign-in through a provider: its code, and what its answer has besides. */
export interface RefusedSignIn {
  code: string;
  challengeId: string;
  score: number;
  reasons: string[];
  methods: string[];
  mustEnrol?: true;
}

/** Signs a member in through a provider, and expects a refusal. */
export async function refusedByProvider(
  deps: Deps,
  member: Staff,
  said: Said = {},
): Promise<RefusedSignIn> {
  try {
    await signInByProvider(deps, member, said);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { code: error.code, ...error.extra } as RefusedSignIn;
  }
  throw new Error('the member was signed in');
}

/** Finishes a sign-in whose challenge was verified. */
export const completeSignIn = (app: Express, challengeId: string) =>
  request(app).post('/api/auth/login/complete').send({ challengeId });

/** Asks for something that belongs to the person and not to the membership. */
export const changeName = (app: Express, accessToken: string, name = 'Ann') =>
  request(app).put('/api/auth/me').set('authorization', `Bearer ${accessToken}`).send({ name });

/** Proves the person by their password in a session. */
export const provePassword = (app: Express, accessToken: string, currentPassword: string) =>
  request(app)
    .post('/api/auth/me/own-proof')
    .set('authorization', `Bearer ${accessToken}`)
    .send({ currentPassword });

/** Asks for a link that proves the person by their mailbox. */
export const askForProofLink = (app: Express, accessToken: string) =>
  request(app).post('/api/auth/me/own-proof/link').set('authorization', `Bearer ${accessToken}`);
