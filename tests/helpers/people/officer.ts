import type { Express } from 'express';
import request from 'supertest';
import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import type { RiskPolicy } from '@/server/security/risk/riskPolicy';
import { seedTestUserAndToken } from '../seedAuth';
import type { SeedOptions, SeededAuth } from '../seedAuth';

export const MAY_ALL = ['SETTINGS_SECURITY_VIEW', 'SETTINGS_SECURITY_EDIT'];

/** Creates a person who may see and change the security settings of a tenant. */
export const seedOfficer = (options: SeedOptions = {}): Promise<SeededAuth> =>
  seedTestUserAndToken({ permissions: MAY_ALL, ...options });

/** Calls the API with a fresh proof. Other tests show that the proof is needed. */
export const as = (app: Express, { token }: { token: string }) => {
  const send = (method: 'get' | 'head' | 'put' | 'post' | 'delete', path: string) =>
    request(app)
      [method](path)
      .set('authorization', `Bearer ${token}`)
      .set('x-stepup-test-bypass', '1');
  return {
    get: (path: string) => send('get', path),
    head: (path: string) => send('head', path),
    put: (path: string, body: object) => send('put', path).send(body),
    post: (path: string, body: object) => send('post', path).send(body),
    del: (path: string) => send('delete', path),
  };
};

/** Returns the default policy with some changes. */
export const policyWith = (change: Partial<RiskPolicy>): RiskPolicy => ({
  ...DEFAULT_POLICY,
  ...change,
});

/** Gives a tenant its first policy, as its officer. */
export async function choosePolicy(
  app: Express,
  officer: { token: string },
  change: Partial<RiskPolicy>,
): Promise<void> {
  const body = { version: 0, policy: policyWith(change) };
  const res = await as(app, officer).put('/api/security/policy', body);
  if (res.status !== 200) throw new Error(`the policy was answered with ${res.status}`);
}
