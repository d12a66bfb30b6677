import type { Express } from 'express';
import request from 'supertest';

/** Addresses for rules: the office, another network, and one of IPv6. */
export const OFFICE = '203.0.113.7';
export const ELSEWHERE = '198.51.100.9';
export const OFFICE_RANGE = '203.0.113.0/24';

/** Calls the API from an address, with a fresh proof. Other tests show that the proof is needed. */
export const from = (app: Express, { token }: { token: string }, address: string) => {
  const send = (method: 'get' | 'put' | 'post' | 'delete' | 'head', path: string) =>
    request(app)
      [method](path)
      .set('authorization', `Bearer ${token}`)
      .set('x-forwarded-for', address)
      .set('x-stepup-test-bypass', '1');
  return {
    get: (path: string) => send('get', path),
    put: (path: string, body: object) => send('put', path).send(body),
    post: (path: string, body: object = {}) => send('post', path).send(body),
    del: (path: string) => send('delete', path),
    head: (path: string) => send('head', path),
  };
};

export const allow = (range: string, more: object = {}) => ({ action: 'allow', range, ...more });
export const deny = (range: string, more: object = {}) => ({ action: 'deny', range, ...more });

/** The rules of a tenant, as the API shows them. */
export interface ShownSet {
  version: number;
  rules: { id: string; range: string }[];
}

/** Replaces the rules of a tenant, as its officer in the office. @returns the set */
export async function setRules(
  app: Express,
  officer: { token: string },
  rules: readonly object[],
  more: object = {},
): Promise<ShownSet> {
  const here = from(app, officer, OFFICE);
  const { version } = (await here.get('/api/security/ip-rules')).body as { version: number };
  const res = await here.put('/api/security/ip-rules', { version, rules, ...more });
  if (res.status !== 200) {
    throw new Error(`the rules were answered with ${res.status} ${JSON.stringify(res.body)}`);
  }
  return res.body as ShownSet;
}
