import request from 'supertest';
import { logout, me, refresh } from '@/tests/helpers/http/authCalls';
import {
  auditOf,
  setStaffStatus,
  tablesHolding,
  tokensOf,
} from '@/tests/helpers/database/authRows';
import { openNode } from '@/tests/helpers/server/openNode';
import { answerChallenge } from '@/tests/helpers/stepUp/answerChallenge';
import { ABROAD, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

const node = openNode();
const { app } = node;
const KEY = 'key-of-this-sign-in-51c9';
const complete = (challengeId: string, key?: string, on = app) => {
  const call = request(on).post('/api/auth/login/complete').set(ABROAD);
  return (key === undefined ? call : call.set('idempotency-key', key)).send({ challengeId });
};
const NOT_FOUND = expect.objectContaining({ error: 'CHALLENGE_NOT_FOUND' });

/** Begins a login from abroad and gives the proof. Only `login/complete` remains. */
async function proven() {
  const who = await seedTraveller(app);
  const { challengeId } = (await attemptLogin(app, who, ABROAD)).body;
  expect((await answerChallenge(node, who.secret, { challengeId })).status).toBe(200);
  return { who, challengeId: challengeId as string };
}

describe('a lost answer of login/complete', () => {
  it('is given again to the same challenge with the same key: the same session, on any node', async () => {
    const { who, challengeId } = await proven();
    const lost = await complete(challengeId, KEY);
    const again = await complete(challengeId, KEY, openNode().app);
    expect([lost.status, again.status]).toStrictEqual([200, 200]);
    for (const name of ['refreshToken', 'refreshExpiresAt', 'sessionId']) {
      expect(again.body[name]).toBe(lost.body[name]);
    }
    expect((await me(app, again.body.accessToken)).body.sessionId).toBe(lost.body.sessionId);
    expect(await auditOf('AUTH_TOKEN_REISSUED', who.tenantId)).toMatchObject([
      { actor: who.staffId, sessionId: lost.body.sessionId, details: { at: 'login' } },
    ]);
    expect((await refresh(app, again.body.refreshToken)).status).toBe(200);
  });

  it('is one session for ten requests at once, and all get its token', async () => {
    const { who, challengeId } = await proven();
    const before = (await tokensOf(who.staffId)).length;
    const all = await Promise.all(Array.from({ length: 10 }, () => complete(challengeId, KEY)));
    expect(all.map(({ status }) => status)).toStrictEqual(Array(10).fill(200));
    expect(new Set(all.map(({ body }) => body.refreshToken)).size).toBe(1);
    expect(await tokensOf(who.staffId)).toHaveLength(before + 1);
  });

  it.each([
    ['with another key', `${KEY}-other`],
    ['without a key', undefined],
  ])('is not given %s: the challenge is used up', async (_how, key) => {
    const { challengeId } = await proven();
    expect((await complete(challengeId, KEY)).status).toBe(200);
    const res = await complete(challengeId, key);
    expect([res.status, res.body]).toStrictEqual([404, NOT_FOUND]);
  });

  it('is not given once its token was used, its session was signed out, or the person was disabled', async () => {
    const ends = [
      async (tokens: { refreshToken: string }) => refresh(app, tokens.refreshToken),
      async (tokens: { accessToken: string }) => logout(app, tokens.accessToken),
      async (_tokens: object, staffId: string) => setStaffStatus(staffId, 'disabled'),
    ];
    for (const end of ends) {
      const { who, challengeId } = await proven();
      await end((await complete(challengeId, KEY)).body, who.staffId);
      const res = await complete(challengeId, KEY);
      expect([res.status, res.body]).toStrictEqual([404, NOT_FOUND]);
      expect(await auditOf('AUTH_TOKEN_REISSUED', who.tenantId)).toStrictEqual([]);
    }
  });

  it('is given for ten minutes, and no longer', async () => {
    const aged = openNode();
    const { challengeId } = await proven();
    aged.clock.stop();
    expect((await complete(challengeId, KEY, aged.app)).status).toBe(200);
    aged.clock.advance(600);
    expect((await complete(challengeId, KEY, aged.app)).status).toBe(200);
    aged.clock.advance(1);
    expect((await complete(challengeId, KEY, aged.app)).status).toBe(404);
  });

  it('opens nothing before the proof was given, and no key is stored', async () => {
    const who = await seedTraveller(app);
    const { challengeId } = (await attemptLogin(app, who, ABROAD)).body;
    const res = await complete(challengeId, KEY);
    expect([res.status, res.body.error]).toStrictEqual([409, 'CHALLENGE_NOT_VERIFIED']);
    expect(await tablesHolding(KEY)).toStrictEqual([]);
    expect((await complete(challengeId, 'two words')).status).toBe(400);
  });
});
