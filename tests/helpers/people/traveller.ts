import type { Express } from 'express';
import request from 'supertest';
import { giveFactor } from '../stepUp/secondFactor';
import { seedTestUserAndToken } from '../seedAuth';
import type { SeedOptions, SeededAuth } from '../seedAuth';

/** A known device in Great Britain. */
export const HOME = { 'x-forwarded-for': '81.2.69.142', 'user-agent': 'The laptop at home' };
/** An unknown device in Japan. */
export const ABROAD = { 'x-forwarded-for': '133.11.0.1', 'user-agent': 'Something unheard of' };

export interface Traveller extends SeededAuth {
  /** The secret of the TOTP factor; empty if there is none. */
  secret: string;
}

export const attemptLogin = (
  app: Express,
  who: { email: string; password: string },
  from: Record<string, string>,
  more: object = {},
) =>
  request(app)
    .post('/api/auth/login')
    .set(from)
    .send({ email: who.email, password: who.password, ...more });

/** Creates a member who has signed in at home before, so that a login from abroad is unusual. */
export async function seedTraveller(
  app: Express,
  options: SeedOptions & { factor?: boolean } = {},
): Promise<Traveller> {
  const { factor = true, ...seed } = options;
  const member = await seedTestUserAndToken(seed);
  const secret = factor ? await giveFactor(member) : '';
  const res = await attemptLogin(app, member, HOME);
  if (res.status !== 200) throw new Error(`the first login was answered with ${res.status}`);
  return { ...member, secret };
}
