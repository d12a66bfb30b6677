import { eq } from 'drizzle-orm';
import type { Express } from 'express';
import request from 'supertest';
import { db } from '@/server/db';
import { refreshTokens } from '@/server/db/schema';
import { cookieOf } from './authCalls';
import { auditOf } from '../database/authRows';
import { HOME, attemptLogin, seedTraveller } from '../people/traveller';

type Headers = Record<string, string>;

/**
 * The body of a login, a refresh or a sign-out of a browser that keeps its refresh token in a
 * cookie.
 */
export const OPTED_IN = { refreshCookie: true };
export const TLS = { 'x-forwarded-proto': 'https' };

/** Returns the refresh cookies that an answer sets. */
export const setOf = (res: request.Response, name = 'refresh') =>
  (res.get('Set-Cookie') ?? []).filter((cookie) => cookie.startsWith(`${name}=`));

export const rotationsOf = async (staffId: string) => {
  const tokens = await db.select().from(refreshTokens).where(eq(refreshTokens.staffId, staffId));
  return tokens.filter(({ revokeReason }) => revokeReason === 'rotation').length;
};

export const reusesOf = async (tenantId: string) =>
  (await auditOf('REFRESH_REUSE_DETECTED', tenantId)).length;

/** Creates browsers that keep their refresh token in a cookie. */
export function cookieCalls(app: Express) {
  const post = (path: string, headers: Headers, body: object = {}) =>
    request(app)
      .post(path)
      .set({ ...HOME, ...headers })
      .send(body);
  const refreshBy = (cookie: string, headers: Headers = {}, body: object = {}) =>
    post('/api/auth/refresh', { cookie, ...headers }, body);
  /** Signs a person in by the cookie. */
  async function signIn(more: object = {}, headers: Headers = {}) {
    const member = await seedTraveller(app);
    const res = await attemptLogin(app, member, { ...HOME, ...headers }, { ...OPTED_IN, ...more });
    expect(res.status).toBe(200);
    return { member, res, cookie: cookieOf(res, headers === TLS ? '__Host-refresh' : 'refresh') };
  }
  return { post, refreshBy, signIn };
}
