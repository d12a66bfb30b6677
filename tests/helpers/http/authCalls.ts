import type { Express } from 'express';
import request from 'supertest';

interface LoginBody {
  email: string;
  password: string;
  tenant?: string;
  rememberMe?: boolean;
  challengeId?: string;
}

type Headers = Record<string, string>;

/** Three addresses that have a country in the bundled data. */
export const ADDRESS = { GB: '81.2.69.142', US: '8.8.8.8', JP: '133.11.0.1' } as const;

export const fromAddress = (address: string): Headers => ({ 'x-forwarded-for': address });

export const login = (app: Express, { email, password, ...more }: LoginBody, headers = {}) =>
  request(app)
    .post('/api/auth/login')
    .set(headers as Headers)
    .send({ email, password, ...more });

export const refresh = (app: Express, refreshToken: unknown, headers: Headers = {}) =>
  request(app).post('/api/auth/refresh').set(headers).send({ refreshToken });

export const refreshWithKey = (app: Express, refreshToken: string, key: string) =>
  refresh(app, refreshToken, { 'idempotency-key': key });

export const me = (app: Express, accessToken: string) =>
  request(app).get('/api/auth/me').set('authorization', `Bearer ${accessToken}`);

export const logout = (app: Express, accessToken: string) =>
  request(app).post('/api/auth/logout').set('authorization', `Bearer ${accessToken}`);

/** Refreshes a number of times. Returns every token of the chain, the presented one first. */
export async function rotate(app: Express, first: string, times: number): Promise<string[]> {
  const chain = [first];
  for (let link = 0; link < times; link += 1) {
    const res = await refresh(app, chain[link]);
    expect(res.status).toBe(200);
    chain.push(res.body.refreshToken);
  }
  return chain;
}

/** Returns the `name=value` of a cookie that an answer set, as a client sends it back. */
export function cookieOf(res: request.Response, name: string): string {
  const set = res.headers['set-cookie'] as unknown as string[] | undefined;
  const found = set?.find((cookie) => cookie.startsWith(`${name}=`));
  if (found === undefined) throw new Error(`the answer set no cookie ${name}`);
  return found.split(';')[0] ?? '';
}

/** Returns both cookies of a 428, as the browser that began the challenge sends them back. */
export const browserOf = (res: request.Response): string =>
  `${cookieOf(res, 'gh_challenge')}; ${cookieOf(res, 'gh_device')}`;
