import request from 'supertest';
import { browserOf, cookieOf, fromAddress, login, refresh } from '@/tests/helpers/http/authCalls';
import { openLimitedNode } from '@/tests/helpers/server/limitedNode';
import type { Node } from '@/tests/helpers/server/openNode';
import { ABROAD, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';

const QUOTA = 8;
const FLOODED = fromAddress('198.51.100.77');

/** Returns the statuses of one request from the flooded address with each of these cookies. */
async function fromFlooded(node: Node, cookies: readonly string[]): Promise<number[]> {
  for (let sent = 0; sent < QUOTA; sent += 1) await refresh(node.app, 'ghr_unknown', FLOODED);
  const statuses: number[] = [];
  for (const cookie of cookies) {
    statuses.push((await refresh(node.app, 'ghr_unknown', { ...FLOODED, cookie })).status);
  }
  return statuses;
}

const begin = (node: Node, headers: Record<string, string>) =>
  request(node.app)
    .post('/api/auth/login/begin')
    .set(headers)
    .send({ email: 'nobody@example.com' });

describe('a device cookie from before a sign-in', () => {
  it('gives no quota of its own, if anybody can get it by beginning a login', async () => {
    const node = openLimitedNode({ address: QUOTA });
    const begun = [
      cookieOf(await begin(node, fromAddress('198.51.100.1')), 'gh_device'),
      cookieOf(await begin(node, fromAddress('198.51.100.2')), 'gh_device'),
    ];
    expect(await fromFlooded(node, begun)).toStrictEqual([429, 429]);
  });

  it('of a 428 gives none either, and the cookie of the sign-in that follows does', async () => {
    const node = openLimitedNode({ address: QUOTA });
    const member = await seedTraveller(node.app);
    const asked = await attemptLogin(node.app, member, ABROAD);
    expect(asked.status).toBe(428);
    const cookie = browserOf(asked);
    const verified = await request(node.app)
      .post('/api/security/step-up/verify')
      .set({ ...ABROAD, cookie })
      .send({ code: codeAt(member.secret, node.clock.now()), purpose: 'security_settings' });
    expect(verified.status).toBe(200);
    const signedIn = await attemptLogin(node.app, member, { ...ABROAD, cookie });
    expect(signedIn.status).toBe(200);
    const offered = cookieOf(asked, 'gh_device');
    const kept = cookieOf(signedIn, 'gh_device');
    expect(await fromFlooded(node, [offered, kept])).toStrictEqual([429, 401]);
  });

  it('does not replace the one of a sign-in', async () => {
    const node = openLimitedNode({ address: QUOTA });
    const member = await seedTraveller(node.app);
    const own = cookieOf(await login(node.app, member, fromAddress('198.51.100.3')), 'gh_device');
    const begun = await begin(node, { ...fromAddress('198.51.100.3'), cookie: own });
    expect(cookieOf(begun, 'gh_device')).toBe(own);
  });
});
