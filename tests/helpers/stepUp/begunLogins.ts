import request from 'supertest';
import { fromAddress, login } from '../http/authCalls';
import { openNode } from '../server/openNode';
import type { Node } from '../server/openNode';
import { giveFactor } from './secondFactor';
import { seedTestUserAndToken } from '../seedAuth';

/** Opens a node that allows many failures from one address. */
export const openPatientNode = () =>
  openNode((config) => ({
    ...config,
    loginFailures: { ...config.loginFailures, perIp: 100_000 },
  }));

/** Begins a login with the second factor. */
export const begin = (node: Node, email: string, headers = {}) =>
  request(node.app).post('/api/auth/login/begin').set(headers).send({ email });

/** Answers the challenge of such a login. */
export const answer = (node: Node, challengeId: string, code: string, headers = {}) =>
  request(node.app)
    .post('/api/security/step-up/verify')
    .set(headers)
    .send({ code, purpose: 'security_settings', challengeId });

/** Creates a member with an authenticator, whose account was locked by other people's guesses. */
export async function lockedMember(node: Node) {
  const member = await seedTestUserAndToken();
  const secret = await giveFactor(member);
  for (let failure = 0; failure < 10; failure += 1) {
    await login(
      node.app,
      { ...member, password: 'not the right password' },
      fromAddress('192.0.2.66'),
    );
  }
  expect((await login(node.app, member, fromAddress('192.0.2.7'))).status).toBe(401);
  return { member, secret };
}
