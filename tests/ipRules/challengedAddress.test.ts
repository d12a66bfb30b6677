import request from 'supertest';
import { fromAddress } from '@/tests/helpers/http/authCalls';
import { MAY_ALL } from '@/tests/helpers/people/officer';
import { ELSEWHERE, OFFICE_RANGE, allow, from, setRules } from '@/tests/helpers/people/addressed';
import { ABROAD, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';

const clock = createMovableClock();
const { app } = buildApp({}, { clock });
const THERE = fromAddress(ELSEWHERE);

/** Creates a person whose login from abroad is challenged, in a tenant that allows that address. */
async function seedChallenged() {
  const member = await seedTraveller(app, { permissions: MAY_ALL });
  clock.forward(30);
  await setRules(app, member, [allow(OFFICE_RANGE), allow('133.11.0.0/16')]);
  const res = await attemptLogin(app, member, ABROAD);
  expect(res.status).toBe(428);
  return { member, challengeId: res.body.challengeId as string };
}

const send = (path: string, body: object, headers: Record<string, string>) =>
  request(app).post(path).set(headers).send(body);

describe('the challenge of a login', () => {
  it('cannot be answered, nor the login finished, from an address that the rules refuse', async () => {
    const { member, challengeId } = await seedChallenged();
    const code = codeAt(member.secret, clock.now());
    const answer = { code, purpose: 'security_settings', challengeId };
    for (let tries = 0; tries < 6; tries += 1) {
      const res = await send('/api/security/step-up/verify', answer, THERE);
      expect([res.status, res.body.error]).toStrictEqual([403, 'IP_BLOCKED']);
    }
    // No try was taken.
    expect((await send('/api/security/step-up/verify', answer, ABROAD)).status).toBe(200);
    const complete = { challengeId };
    const refused = await send('/api/auth/login/complete', complete, THERE);
    expect(refused.body.error).toBe('IP_BLOCKED');
    expect((await send('/api/auth/login/complete', complete, ABROAD)).status).toBe(200);
  });

  it('cannot be started by mail or passkey from there', async () => {
    const { challengeId } = await seedChallenged();
    const body = { challengeId, purpose: 'security_settings', method: 'email' };
    const res = await send('/api/security/step-up/start', body, THERE);
    expect(res.body.error).toBe('IP_BLOCKED');
  });
});

describe('the challenge of a session', () => {
  it('cannot be answered from an address that the rules refuse', async () => {
    const { member } = await seedChallenged();
    const code = codeAt(member.secret, clock.now());
    const body = { code, purpose: 'security_settings' };
    const res = await from(app, member, ELSEWHERE).post('/api/security/step-up/verify', body);
    expect([res.status, res.body.error]).toStrictEqual([403, 'IP_BLOCKED']);
  });
});
