import request from 'supertest';
import { db } from '@/server/db';
import { riskPolicies } from '@/server/db/schema';
import { computeAnomalyScoreOptimized } from '@/server/security/computeAnomalyScore';
import { browserOf, login, me, refresh } from '@/tests/helpers/http/authCalls';
import { challengesOf, liveSessionsOf } from '@/tests/helpers/database/authRows';
import { givePasskey, passkeyCalls } from '@/tests/helpers/passkeys/passkeyCalls';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';
import { visibleAnswer } from '@/tests/helpers/http/visibleAnswer';

jest.mock('@/server/security/computeAnomalyScore', () => ({
  computeAnomalyScoreOptimized: jest.fn(),
}));

const PURPOSE = 'security_settings';
const node = buildApp();
const { app } = node;
/** A client with neither token nor cookie. */
const anybody = passkeyCalls(app);
const scorer = jest.mocked(computeAnomalyScoreOptimized);
const suspect = () => scorer.mockResolvedValueOnce({ score: 75, reasons: ['NEW_DEVICE'] });
const outcome = (res: request.Response) => [res.status, res.body.error];

beforeEach(() => {
  scorer.mockReset();
  scorer.mockResolvedValue({ score: 0, reasons: [] });
});

async function seedMember(options: { passkey?: boolean; totp?: boolean } = {}) {
  const member = await seedTestUserAndToken();
  const passkey = options.passkey === false ? undefined : await givePasskey(node, member.token);
  if (options.totp) await giveFactor(member);
  return { ...member, passkey };
}

/** Creates a person with a passkey whose login waits for a second proof. */
async function stopAtTheGate() {
  const member = await seedMember();
  const { passkey } = member;
  suspect();
  const res = await login(app, member);
  expect(outcome(res)).toEqual([428, 'STEP_UP_REQUIRED']);
  expect(res.body.methods).toEqual(['passkey']);
  if (!passkey) throw new Error('no passkey');
  return { ...member, passkey, challengeId: String(res.body.challengeId) };
}

describe('a login', () => {
  it('goes on after 428, start and verify with a passkey', async () => {
    const { challengeId, passkey, staffId, ...member } = await stopAtTheGate();
    const sessions = (await liveSessionsOf(staffId)).length;
    const options = await anybody.begin(PURPOSE, { challengeId });
    expect(options.status).toBe(200);
    const proven = await anybody.prove(passkey.get(options.body), PURPOSE, { challengeId });
    expect(proven.body).toMatchObject({ verified: true, purpose: PURPOSE, method: 'passkey' });
    expect(await liveSessionsOf(staffId)).toHaveLength(sessions);
    suspect();
    const res = await login(app, { ...member, challengeId });
    expect(res.status).toBe(200);
    expect((await me(app, res.body.accessToken)).body.email).toBe(member.email);
    expect(await liveSessionsOf(staffId)).toHaveLength(sessions + 1);
  });

  it('goes on in a browser with the cookie alone', async () => {
    const { passkey, email, password } = await seedMember();
    const browser = request.agent(app);
    suspect();
    expect((await browser.post('/api/auth/login').send({ email, password })).status).toBe(428);
    const begun = { method: 'passkey', purpose: PURPOSE };
    const options = (await browser.post('/api/security/step-up/start').send(begun)).body;
    const proof = { passkey: passkey?.get(options), purpose: PURPOSE };
    expect((await browser.post('/api/security/step-up/verify').send(proof)).status).toBe(200);
    suspect();
    expect((await browser.post('/api/auth/login').send({ email, password })).status).toBe(200);
  });

  it('does not go on with a wrong answer', async () => {
    const { challengeId, passkey, ...member } = await stopAtTheGate();
    const options = (await anybody.begin(PURPOSE, { challengeId })).body;
    const wrong = passkey.get(options, { origin: 'https://gatehouse.evil.example' });
    const res = await anybody.prove(wrong, PURPOSE, { challengeId });
    expect(outcome(res)).toEqual([403, 'INVALID_PASSKEY']);
    suspect();
    expect((await login(app, { ...member, challengeId })).status).toBe(428);
  });

  it("of two at once: the answer of one is none for the other's challenge", async () => {
    const { challengeId, passkey, ...member } = await stopAtTheGate();
    suspect();
    const other = String((await login(app, member)).body.challengeId);
    expect(other).not.toBe(challengeId);
    await anybody.begin(PURPOSE, { challengeId: other });
    const options = (await anybody.begin(PURPOSE, { challengeId })).body;
    const response = passkey.get(options);
    const swapped = await anybody.prove(response, PURPOSE, { challengeId: other });
    expect(outcome(swapped)).toEqual([403, 'INVALID_PASSKEY']);
    const right = await anybody.prove(response, PURPOSE, { challengeId });
    expect(right.status).toBe(200);
    suspect();
    expect((await login(app, { ...member, challengeId: other })).status).toBe(428);
  });

  it("is not let in by another person's passkey", async () => {
    const { challengeId, ...member } = await stopAtTheGate();
    const other = await seedMember();
    const options = (await anybody.begin(PURPOSE, { challengeId })).body;
    const response = other.passkey?.get(options, { userHandle: null });
    const res = await anybody.prove(response, PURPOSE, { challengeId });
    expect(outcome(res)).toEqual([403, 'INVALID_PASSKEY']);
    const { token } = other;
    const stolen = await passkeyCalls(app, token).begin(PURPOSE, { challengeId });
    expect(outcome(stolen)).toEqual([404, 'CHALLENGE_NOT_FOUND']);
    suspect();
    expect((await login(app, { ...member, challengeId })).status).toBe(428);
  });
});

describe('starting for a challenge of a login', () => {
  async function startFor(options: { passkey: boolean; totp?: boolean }, methods?: string[]) {
    const member = await seedMember(options);
    const { tenantId } = member;
    if (methods) await db.insert(riskPolicies).values({ tenantId, policy: { methods } });
    suspect();
    const asked = await login(app, member);
    const { challengeId } = asked.body;
    const answer = visibleAnswer(await anybody.begin(PURPOSE, { challengeId }));
    return { methods: asked.body.methods, answer, stored: await challengesOf(member.staffId) };
  }

  it.each([
    [{ totp: true }, ['totp'], ['totp']],
    // No factor that counts can be enrolled, so a passkey could not be used for anything.
    [{ totp: false }, ['recovery_code'], []],
  ])('tells nothing of passkeys that the tenant does not allow: %j', async (factors, ...rest) => {
    const [allowed, offered] = rest;
    const having = await startFor({ passkey: true, ...factors }, allowed);
    const lacking = await startFor({ passkey: false, ...factors }, allowed);
    expect([having.methods, lacking.methods]).toEqual([offered, offered]);
    expect(having.answer).toEqual(lacking.answer);
    expect(having.answer.status).toBe(409);
    expect(having.stored[0]?.passkeyChallenge).toBeNull();
  });

  it('takes a passkey that counts no more, if it is all there is, to enrol a factor that counts', async () => {
    const { passkey, ...member } = await seedMember();
    const { tenantId } = member;
    await db.insert(riskPolicies).values({ tenantId, policy: { methods: ['totp'] } });
    suspect();
    const { challengeId, methods, mustEnrol } = (await login(app, member)).body;
    expect({ methods, mustEnrol }).toEqual({ methods: ['passkey'], mustEnrol: true });
    const options = (await anybody.begin(PURPOSE, { challengeId })).body;
    const proven = await anybody.prove(passkey?.get(options), PURPOSE, { challengeId });
    expect(proven.status).toBe(200);
    // It lets nobody in by itself.
    suspect();
    const early = await login(app, { ...member, challengeId });
    expect(outcome(early)).toEqual([409, 'ENROLMENT_REQUIRED']);
    const { secret } = (await request(app).post('/api/security/totp/enroll').send({ challengeId }))
      .body;
    const body = { code: codeAt(String(secret), node.deps.clock.now()), challengeId };
    expect((await request(app).post('/api/security/totp/confirm').send(body)).status).toBe(200);
    suspect();
    expect((await login(app, { ...member, challengeId })).status).toBe(200);
  });

  it('tells nothing at all without the id that the 428 handed out', async () => {
    const { staffId, tenantId } = await stopAtTheGate();
    const [row] = await challengesOf(staffId);
    for (const challengeId of [String(row?.id), staffId, tenantId, `chl_${'A'.repeat(43)}`]) {
      const res = await anybody.begin(PURPOSE, { challengeId });
      expect(outcome(res)).toEqual([404, 'CHALLENGE_NOT_FOUND']);
    }
  });

  it.each(['totp', 'recovery_code', 'passkeys', '', null, 7, ['passkey']])(
    'with the method %p is refused with 400',
    async (method) => {
      const { challengeId } = await stopAtTheGate();
      const res = await anybody.begin(PURPOSE, { challengeId, method });
      expect(outcome(res)).toEqual([400, 'INVALID_INPUT']);
    },
  );
});

describe('a refresh', () => {
  it.each(['id', 'cookie'])(
    'goes on after 428, start and verify with a passkey, by the %s',
    async (by) => {
      const { refreshToken, passkey, sessionId } = await seedMember();
      suspect();
      const asked = await refresh(app, refreshToken);
      expect(asked.status).toBe(428);
      expect(asked.body.methods).toEqual(['passkey']);
      const which = by === 'id' ? { challengeId: asked.body.challengeId } : {};
      const cookie = by === 'id' ? '' : browserOf(asked);
      const call = (path: string, body: object) =>
        request(app)
          .post(`/api/security/step-up/${path}`)
          .set('cookie', cookie)
          .send({ ...body, ...which, purpose: PURPOSE });
      const options = await call('start', { method: 'passkey' });
      const res = await call('verify', { passkey: passkey?.get(options.body) });
      expect(res.status).toBe(200);
      suspect();
      const passed = await refresh(app, asked.body.refreshToken);
      expect(passed.status).toBe(200);
      expect((await me(app, passed.body.accessToken)).body.sessionId).toBe(sessionId);
    },
  );
});
