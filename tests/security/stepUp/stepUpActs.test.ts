import request from 'supertest';
import { auditOf, challengesOf } from '@/tests/helpers/database/authRows';
import { openNode } from '@/tests/helpers/server/openNode';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { as } from '@/tests/helpers/people/officer';
import { HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import { policyWith } from '@/tests/helpers/people/officer';

const { app, clock } = openNode();
const other = openNode();
const PURPOSE = 'security_settings';

const call = (token: string, method: 'post' | 'delete' | 'put', path: string, body?: object) =>
  request(app)[method](path).set('authorization', `Bearer ${token}`).send(body);
const codes = (token: string, at = app) =>
  request(at).post('/api/security/recovery-codes').set('authorization', `Bearer ${token}`);
const enroll = (token: string) => call(token, 'post', '/api/security/totp/enroll');
const remove = (token: string, id: string) => call(token, 'delete', `/api/security/factors/${id}`);

async function seedSignedIn() {
  const member = await seedTraveller(app, {
    permissions: ['SETTINGS_SECURITY_VIEW', 'SETTINGS_SECURITY_EDIT'],
  });
  const { body } = await attemptLogin(app, member, HOME);
  const token = body.accessToken as string;
  /** Answers one challenge, as the owner who was asked. */
  const prove = async (challengeId: unknown) => {
    clock.advance(30);
    const proof = { code: codeAt(member.secret, clock.now()), purpose: PURPOSE, challengeId };
    await call(token, 'post', '/api/security/step-up/verify', proof).expect(200);
  };
  const { factors } = (await as(app, { token }).get('/api/security/factors')).body as {
    factors: { id: string }[];
  };
  return { ...member, token, prove, factorId: factors[0]?.id ?? '' };
}

/** A uuid that belongs to nothing. */
const NOBODYS = '0197c0de-0000-7000-8000-00000000000a';

describe('a proof for one act', () => {
  it('opens this act once: whoever copied the token cannot spend it on another', async () => {
    const who = await seedSignedIn();
    const asked = await codes(who.token);
    expect(asked.status).toBe(428);
    await who.prove(asked.body.challengeId);
    // A thief with the same token comes first, with every other act behind the same gate.
    await enroll(who.token).expect(428);
    await call(who.token, 'post', '/api/security/passkeys/register/start').expect(428);
    await remove(who.token, who.factorId).expect(428);
    await call(who.token, 'put', '/api/security/policy', {}).expect(428);
    await codes(who.token).expect(200);
    await codes(who.token).expect(428);
  });

  it('is for its target: the removal of one factor removes no other', async () => {
    const who = await seedSignedIn();
    const { challengeId } = (await remove(who.token, NOBODYS)).body;
    await who.prove(challengeId);
    await remove(who.token, who.factorId).expect(428);
    await remove(who.token, NOBODYS).expect(404);
  });

  it('is not used up by an act that is refused', async () => {
    const who = await seedSignedIn();
    await who.prove((await remove(who.token, NOBODYS)).body.challengeId);
    for (let count = 0; count < 2; count += 1) await remove(who.token, NOBODYS).expect(404);
    expect(await challengesOf(who.staffId)).toMatchObject([{ consumedAt: null }]);
  });

  it('lets one of many through that come at once, on two nodes', async () => {
    const who = await seedSignedIn();
    await who.prove((await codes(who.token)).body.challengeId);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => codes(who.token, index % 2 ? other.app : app)),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([200, ...Array.from({ length: 7 }, () => 428)]);
    expect(await auditOf('FACTOR_ENROLLED', who.tenantId)).toMatchObject([
      { details: { factor: 'totp' } },
      { details: { factor: 'recovery_code' } },
    ]);
  });

  it('is named in the events that ask for it and that it was given', async () => {
    const who = await seedSignedIn();
    await who.prove((await codes(who.token)).body.challengeId);
    const act = 'POST /api/security/recovery-codes';
    expect(await auditOf('STEP_UP_REQUIRED', who.tenantId)).toMatchObject([{ details: { act } }]);
    expect(await auditOf('STEP_UP_VERIFIED', who.tenantId)).toMatchObject([{ details: { act } }]);
  });

  it('covers one whole enrolment, and no second one', async () => {
    const who = await seedSignedIn();
    await who.prove((await enroll(who.token)).body.challengeId);
    const { secret } = (await enroll(who.token).expect(200)).body as { secret: string };
    await enroll(who.token).expect(428);
    const code = codeAt(secret, clock.now());
    await call(who.token, 'post', '/api/security/totp/confirm', { code }).expect(200);
  });

  it('takes a body that is nested without end for a bad one, and does not fall over', async () => {
    const who = await seedSignedIn();
    const body = `{"from":${'['.repeat(30_000)}${']'.repeat(30_000)}}`;
    const res = await request(app)
      .post('/api/compliance/export/bundle')
      .set('authorization', `Bearer ${who.token}`)
      .set('content-type', 'application/json')
      .send(body);
    expect([res.status, res.body.error]).toEqual([400, 'INVALID_INPUT']);
  });
});

describe('a proof for a window of time', () => {
  it('opens its routes for ten minutes, and no single act', async () => {
    const who = await seedSignedIn();
    const change = (version: number) =>
      call(who.token, 'put', '/api/security/policy', {
        version,
        policy: policyWith({ stepUpFrom: 50 + version }),
      });
    await who.prove((await change(0)).body.challengeId);
    await codes(who.token).expect(428);
    await enroll(who.token).expect(428);
    await change(0).expect(200);
    await change(1).expect(200);
  });
});

describe('an enrolment that was begun without a proof', () => {
  it('ends when the first factor is enrolled: nobody adds a second one beside it', async () => {
    const member = await seedTraveller(app, { factor: false });
    const { accessToken: token } = (await attemptLogin(app, member, HOME)).body as {
      accessToken: string;
    };
    const start = '/api/security/passkeys/register/start';
    await call(token, 'post', start).expect(200);
    const { secret } = (await enroll(token).expect(200)).body as { secret: string };
    const code = codeAt(secret, clock.now());
    await call(token, 'post', '/api/security/totp/confirm', { code }).expect(200);
    const finish = '/api/security/passkeys/register/finish';
    const response = { clientDataJSON: 'e30', attestationObject: 'AAAA' };
    const made = { id: 'AAAA', rawId: 'AAAA', type: 'public-key', response };
    const res = await call(token, 'post', finish, {
      name: 'Key',
      response: { ...made, clientExtensionResults: {} },
    });
    expect([res.status, res.body.error]).toEqual([404, 'NOT_FOUND']);
    await call(token, 'post', start).expect(428);
  });

  it('cannot be finished after fifteen minutes', async () => {
    const member = await seedTraveller(app, { factor: false });
    const { accessToken } = (await attemptLogin(app, member, HOME)).body as { accessToken: string };
    const { secret } = (await enroll(accessToken).expect(200)).body as { secret: string };
    const later = openNode((config) => ({ ...config, accessTokenTtlSec: 3600 }));
    // Other tests of this file have moved the first clock by some minutes.
    later.clock.advance(1800);
    const { body } = await attemptLogin(later.app, member, HOME);
    const res = await request(later.app)
      .post('/api/security/totp/confirm')
      .set('authorization', `Bearer ${body.accessToken as string}`)
      .send({ code: codeAt(secret, later.clock.now()) });
    expect([res.status, res.body.error]).toEqual([404, 'NOT_FOUND']);
  });
});
