import { createHash } from 'node:crypto';
import request from 'supertest';
import { DEFAULT_POLICY } from '@/server/security/risk/riskPolicy';
import { auditOf, challengesOf } from '@/tests/helpers/database/authRows';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { makeApiKey, makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import { openNode } from '@/tests/helpers/server/openNode';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';

const node = openNode();
const other = openNode();
const { app, clock, deps } = node;
const PURPOSE = 'app:delete_project';
const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');
const ACT = { name: 'DELETE /projects/:id', digest: digestOf('project 1') };

let key: string;
beforeAll(async () => {
  key = await makeServiceKey(deps, ['introspect']);
});

const check = (token: string, more: object = {}, at = app) =>
  withKey(at, key).post('/api/token/step-up', { token, purpose: PURPOSE, ...more });

async function seedSignedIn(permissions: string[] = []) {
  const member = await seedTraveller(app, { permissions });
  const { body } = await attemptLogin(app, member, HOME);
  const token = String(body.accessToken);
  const prove = async (challengeId: unknown, purpose = PURPOSE) => {
    clock.advance(30);
    const code = codeAt(member.secret, clock.now());
    await request(app)
      .post('/api/security/step-up/verify')
      .set('authorization', `Bearer ${token}`)
      .send({ code, purpose, challengeId })
      .expect(200);
  };
  return { ...member, token, prove };
}

describe("a step-up for the team's own API", () => {
  it('is asked for with the challenge of any route, and then passes for its purpose', async () => {
    const who = await seedSignedIn();
    const asked = await check(who.token);
    expect(asked.status).toBe(428);
    expect(asked.headers['www-authenticate']).toMatch(/insufficient_user_authentication.*max_age=/);
    expect(asked.body).toMatchObject({
      ...{ error: 'STEP_UP_REQUIRED', requiresStepUp: true, purpose: PURPOSE },
      ...{ challengeId: expect.any(String), methods: ['totp'] },
    });
    await who.prove(asked.body.challengeId);
    const passed = await check(who.token);
    expect(passed.body).toStrictEqual({
      ...{ active: true, passed: true, purpose: PURPOSE, consumed: false },
      ...{
        verified_at: expect.any(Number),
        expires_in: expect.closeTo(600, -1),
      },
    });
    const said = await withKey(app, key).post('/api/token/introspect', { token: who.token });
    expect(said.body.step_ups).toEqual([
      {
        purpose: PURPOSE,
        verified_at: passed.body.verified_at,
        expires_in: expect.closeTo(600, -1),
      },
    ]);
    await check(who.token, { purpose: 'app:other' }).expect(428);
    clock.advance(61);
    await check(who.token, { windowSec: 60 }).expect(428);
    await check(who.token).expect(200);
  });

  it('is no proof in another session of the same person, or of another tenant', async () => {
    const who = await seedSignedIn();
    await who.prove((await check(who.token)).body.challengeId);
    const again = await attemptLogin(app, who, HOME);
    await check(String(again.body.accessToken)).expect(428);
    await check((await seedSignedIn()).token).expect(428);
  });

  it("opens none of this server's own routes, and a proof for those opens none of the team's", async () => {
    const who = await seedSignedIn(['SETTINGS_SECURITY_EDIT']);
    await who.prove((await check(who.token)).body.challengeId);
    const send = (method: 'put' | 'post', path: string, body: object) =>
      request(app)[method](path).set('authorization', `Bearer ${who.token}`).send(body);
    // One asks for a proof in a window of time, the other for one of this act.
    const policy = { version: 0, policy: DEFAULT_POLICY };
    const own = () => send('put', '/api/security/policy', policy);
    const refused = await own();
    expect([refused.status, refused.body.purpose]).toEqual([428, 'security_settings']);
    await send('post', '/api/security/recovery-codes', {}).expect(428);
    await who.prove(refused.body.challengeId, 'security_settings');
    await own().expect(200);
    const theirs = await check(who.token, { purpose: 'app:other' });
    expect([theirs.status, theirs.body.purpose]).toEqual([428, 'app:other']);
  });

  it('is not asked for with a purpose of this server, or one that is not well formed', async () => {
    const { token } = await seedSignedIn();
    for (const purpose of [
      'security_settings',
      'app:',
      'app:Big',
      `app:${'a'.repeat(61)}`,
      ['app:x'],
      'x',
    ]) {
      const res = await check(token, { purpose });
      expect([res.status, res.body.error]).toEqual([400, 'INVALID_INPUT']);
    }
    const { body } = await check(token, { purpose: 'app:Big' });
    expect(body.issues).toEqual([
      { path: 'purpose', message: 'must be app: and 1 to 60 of a-z, 0-9, ., _ and -' },
    ]);
    await check(token, { consume: true }).expect(400);
    await check(token, { act: { name: 'x', digest: 'short' } }).expect(400);
  });

  it('is inactive for an ended token, and asks an API key for a person', async () => {
    expect((await check('nonsense')).body).toStrictEqual({ active: false });
    const made = await makeApiKey(app, await seedAdministrator());
    const res = await check(made.key);
    expect([res.status, res.body.error]).toEqual([403, 'PERSON_REQUIRED']);
  });
});

describe("a proof for one act of the team's own API", () => {
  it('is consumed once, also among fifty requests on two nodes, and the log says by whom', async () => {
    const who = await seedSignedIn();
    const asked = await check(who.token, { act: ACT, consume: true });
    await who.prove(asked.body.challengeId);
    // The other node has the same time.
    other.clock.advance((clock.now().getTime() - other.clock.now().getTime()) / 1000);
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        check(who.token, { act: ACT, consume: true }, index % 2 === 0 ? app : other.app),
      ),
    );
    const statuses = results.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 428)).toHaveLength(49);
    const events = await auditOf('STEP_UP_CONSUMED', who.tenantId);
    expect(events).toMatchObject([
      {
        actor: expect.stringMatching(/^service:/),
        details: { purpose: PURPOSE, act: ACT.name, staffId: who.staffId },
      },
    ]);
  });

  it('opens no other act, and no window of time', async () => {
    const who = await seedSignedIn();
    const asked = await check(who.token, { act: ACT });
    await who.prove(asked.body.challengeId);
    await check(who.token, { act: { ...ACT, digest: digestOf('project 2') } }).expect(428);
    await check(who.token, { act: { ...ACT, name: 'DELETE /accounts/:id' } }).expect(428);
    await check(who.token).expect(428);
    await check(who.token, { act: ACT, consume: true }).expect(200);
  });

  it('opens the same act of no other service', async () => {
    const who = await seedSignedIn();
    await who.prove((await check(who.token, { act: ACT })).body.challengeId);
    const question = { token: who.token, purpose: PURPOSE, act: ACT };
    const elsewhere = withKey(app, await makeServiceKey(deps, ['introspect']));
    await elsewhere.post('/api/token/step-up', question).expect(428);
    await check(who.token, { act: ACT, consume: true }).expect(200);
  });

  it("is stored so that it never equals an act of this server's own", async () => {
    const who = await seedSignedIn();
    await check(who.token, { act: ACT }).expect(428);
    const [row] = (await challengesOf(who.staffId)).filter(({ act }) => act === ACT.name);
    expect(row?.actDigest).not.toBe(ACT.digest);
    const own = deps.keys.hashAll('act', ACT.digest).map((hash) => hash.toString('hex'));
    expect(own).not.toContain(row?.actDigest);
  });
});
