import express from 'express';
import request from 'supertest';
import type { Express } from 'express';
import { app } from '@/server/app';
import { bindServices } from '@/server/bindServices';
import { authenticateCaller } from '@/server/http/authenticate';
import { correlationId } from '@/server/http/correlationId';
import { errorHandler } from '@/server/http/errorHandler';
import { requireStepUp } from '@/server/http/requireStepUp';
import { attachServices } from '@/server/http/services';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { makeApiKey } from '@/tests/helpers/people/programs';
import { askForProof } from '@/tests/helpers/stepUp/askForProof';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';

const EXPORT = '/api/compliance/export/bundle';
const MAY_EXPORT = ['SETTINGS_SECURITY_VIEW'];
const WINDOW_SEC = 600;

/**
 * One clock for the whole file. Each test moves it by whole time steps, so that no code repeats.
 */
const clock = createMovableClock();
// Tokens outlive the step-up window here, so that a refusal comes from the window.
const { app: movable } = buildApp({ accessTokenTtlSec: 3600 }, { clock });

/**
 * Requests an export with a body that no export accepts, so that it ends with a cheap 400 after the
 * gate.
 */
const knock = (token: string, headers: Record<string, string> = {}, at: Express = movable) =>
  request(at).post(EXPORT).set('authorization', `Bearer ${token}`).set(headers).send({});

const PASSED = 400;

async function prove(token: string, secret: string, purpose = 'data_export') {
  clock.forward(30);
  await askForProof(movable, token, purpose);
  const code = codeAt(secret, clock.now());
  const res = await request(movable)
    .post('/api/security/step-up/verify')
    .set('authorization', `Bearer ${token}`)
    .send({ code, purpose });
  expect(res.status).toBe(200);
}

async function signIn(who: { email: string; password: string }): Promise<string> {
  const { email, password } = who;
  const res = await request(movable).post('/api/auth/login').send({ email, password });
  expect(res.status).toBe(200);
  return String(res.body.accessToken);
}

async function seedOfficer() {
  const member = await seedTestUserAndToken({ permissions: MAY_EXPORT });
  const secret = await giveFactor(member);
  return { ...member, secret, token: await signIn(member) };
}

describe('a guarded route without a step-up', () => {
  it('is answered 428 with exactly the contract body and the header of RFC 9470', async () => {
    const { token } = await seedOfficer();
    const res = await knock(token);
    expect(res.status).toBe(428);
    expect(res.type).toBe('application/json');
    expect(res.body).toStrictEqual({
      error: 'STEP_UP_REQUIRED',
      requiresStepUp: true,
      purpose: 'data_export',
      challengeId: expect.stringMatching(/^chl_/),
      methods: ['totp'],
      expiresAt: new Date(clock.now().getTime() + 600_000).toISOString(),
    });
    expect(res.headers['www-authenticate']).toMatch(
      /^Bearer error="insufficient_user_authentication", .*max_age=600$/,
    );
    expect(res.get('Set-Cookie')).toBeUndefined();
  });

  it('offers the same challenge again: asking twice does not double the tries', async () => {
    const { token } = await seedOfficer();
    const first = await knock(token);
    const second = await knock(token);
    expect(second.body.challengeId).toBe(first.body.challengeId);
  });

  it('offers somebody without a factor a code by mail', async () => {
    const member = await seedTestUserAndToken({ permissions: MAY_EXPORT });
    const res = await knock(await signIn(member));
    expect(res.status).toBe(428);
    expect(res.body).toMatchObject({ methods: ['email'] });
  });

  it('asks who it is, then what they may, and only then for a proof', async () => {
    expect((await request(movable).post(EXPORT).send({})).status).toBe(401);
    const member = await seedTestUserAndToken({ permissions: ['SOMETHING_ELSE'] });
    const token = await signIn(member);
    const res = await knock(token);
    expect([res.status, res.body.error]).toEqual([403, 'FORBIDDEN']);
    expect((await knock((await seedOfficer()).token)).status).toBe(428);
  });
});

describe('a proof', () => {
  it('opens the gate for its purpose in its session', async () => {
    const { token, secret } = await seedOfficer();
    await prove(token, secret);
    expect((await knock(token)).status).toBe(PASSED);
  });

  it('answers the challenge that the 428 named', async () => {
    const { token, secret } = await seedOfficer();
    const { challengeId } = (await knock(token)).body;
    clock.forward(30);
    const res = await request(movable)
      .post('/api/security/step-up/verify')
      .set('authorization', `Bearer ${token}`)
      .send({ code: codeAt(secret, clock.now()), purpose: 'data_export', challengeId });
    expect(res.status).toBe(200);
    expect((await knock(token)).status).toBe(PASSED);
  });

  it.each(['security_settings', 'impersonation'])(
    'for %s is no proof for an export',
    async (purpose) => {
      const { token, secret } = await seedOfficer();
      await prove(token, secret, purpose);
      expect((await knock(token)).status).toBe(428);
    },
  );

  it('for an export is no proof for security settings', async () => {
    const { token, secret } = await seedOfficer();
    await prove(token, secret);
    const res = await request(movable)
      .post('/api/security/totp/enroll')
      .set('authorization', `Bearer ${token}`);
    expect([res.status, res.body.purpose]).toEqual([428, 'security_settings']);
  });

  it("is refused where the code's purpose is not the challenge's", async () => {
    const { token, secret } = await seedOfficer();
    const { challengeId } = (await knock(token)).body;
    clock.forward(30);
    const res = await request(movable)
      .post('/api/security/step-up/verify')
      .set('authorization', `Bearer ${token}`)
      .send({ code: codeAt(secret, clock.now()), purpose: 'security_settings', challengeId });
    expect([res.status, res.body.error]).toEqual([404, 'CHALLENGE_NOT_FOUND']);
    expect((await knock(token)).status).toBe(428);
  });

  it('is worth nothing in another session of the same person', async () => {
    const officer = await seedOfficer();
    await prove(officer.token, officer.secret);
    expect((await knock(await signIn(officer))).status).toBe(428);
    expect((await knock(officer.token)).status).toBe(PASSED);
  });

  it("cannot be given to another session's challenge, nor without a session", async () => {
    const officer = await seedOfficer();
    const otherToken = await signIn(officer);
    const { challengeId } = (await knock(officer.token)).body;
    clock.forward(30);
    const proof = {
      code: codeAt(officer.secret, clock.now()),
      purpose: 'data_export',
      challengeId,
    };
    const verify = () => request(movable).post('/api/security/step-up/verify');
    const fromAnother = await verify().set('authorization', `Bearer ${otherToken}`).send(proof);
    const fromNowhere = await verify().send(proof);
    expect([fromAnother.status, fromNowhere.status]).toEqual([404, 404]);
    expect((await knock(officer.token)).status).toBe(428);
  });

  it('is worth nothing for another member of the tenant', async () => {
    const officer = await seedOfficer();
    const colleague = await seedTestUserAndToken({
      permissions: MAY_EXPORT,
      tenantId: officer.tenantId,
    });
    await prove(officer.token, officer.secret);
    expect((await knock(await signIn(colleague))).status).toBe(428);
  });

  it('lasts ten minutes to the second', async () => {
    const { token, secret } = await seedOfficer();
    await prove(token, secret);
    clock.forward(WINDOW_SEC - 1);
    expect((await knock(token)).status).toBe(PASSED);
    clock.forward(1);
    expect((await knock(token)).status).toBe(428);
  });

  it('does not outlast a window that the settings make shorter', async () => {
    const { app: strict } = buildApp(
      { accessTokenTtlSec: 3600, stepUpMaxWindowSec: 60 },
      { clock },
    );
    const { token, secret } = await seedOfficer();
    await prove(token, secret);
    clock.forward(59);
    expect((await knock(token, {}, strict)).status).toBe(PASSED);
    clock.forward(1);
    const res = await knock(token, {}, strict);
    expect(res.status).toBe(428);
    expect(res.headers['www-authenticate']).toContain('max_age=60');
  });

  it('ends with its session: after a logout the next one begins without it', async () => {
    const officer = await seedOfficer();
    await prove(officer.token, officer.secret);
    const bearer = `Bearer ${officer.token}`;
    await request(movable).post('/api/auth/logout').set('authorization', bearer).expect(204);
    expect((await knock(officer.token)).status).toBe(401);
    expect((await knock(await signIn(officer))).status).toBe(428);
  });
});

it('a program cannot pass a step-up, on a route of a team that programs may call', async () => {
  const { app: product, deps } = buildApp();
  const own = express();
  const services = attachServices(bindServices(deps));
  const guards = [services, correlationId, authenticateCaller, requireStepUp('security_settings')];
  own.post('/own', ...guards, (_req, res) => void res.json({}));
  own.use(errorHandler);
  const admin = await seedAdministrator();
  const { key } = await makeApiKey(product, admin);
  const send = (credential: string) =>
    request(own)
      .post('/own')
      .set({
        authorization: `Bearer ${credential}`,
        'x-stepup-test-bypass': '1',
      });
  expect((await send(admin.token)).status).toBe(200);
  const res = await send(key);
  expect([res.status, res.body.error]).toEqual([403, 'PERSON_REQUIRED']);
});

describe('the test bypass', () => {
  const BYPASS = { 'x-stepup-test-bypass': '1' };

  it('passes the gate with NODE_ENV=test', async () => {
    const { token } = await seedTestUserAndToken({ permissions: MAY_EXPORT });
    expect((await knock(token, {}, app)).status).toBe(428);
    expect((await knock(token, BYPASS, app)).status).toBe(PASSED);
  });

  it.each(['production', 'development'] as const)('does nothing in %s', async (nodeEnv) => {
    const { app: other } = buildApp({ nodeEnv, production: nodeEnv === 'production' });
    const { token } = await seedTestUserAndToken({ permissions: MAY_EXPORT });
    expect((await knock(token, BYPASS, other)).status).toBe(428);
  });

  it.each(['', '0', 'true', '1, 1'])('is "1" and not %p', async (value) => {
    const { token } = await seedTestUserAndToken({ permissions: MAY_EXPORT });
    expect((await knock(token, { 'x-stepup-test-bypass': value }, app)).status).toBe(428);
  });

  it('passes no other gate', async () => {
    expect((await request(app).post(EXPORT).set(BYPASS).send({})).status).toBe(401);
    const { token } = await seedTestUserAndToken();
    expect((await knock(token, BYPASS, app)).status).toBe(403);
  });
});
