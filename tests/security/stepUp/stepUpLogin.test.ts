import { eq } from 'drizzle-orm';
import request from 'supertest';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { auditLogs, stepUpChallenges, userSessions } from '@/server/db/schema';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import { codeAt, wrongCodes } from '@/tests/helpers/stepUp/secondFactor';
import { buildApp } from '@/tests/helpers/server/testApp';

const PURPOSE = 'security_settings';
const codeNow = (secret: string) => codeAt(secret, new Date());

const sessionsOf = async (staffId: string) =>
  (await db.select().from(userSessions).where(eq(userSessions.staffId, staffId))).length;

const verify = (body: object) => request(app).post('/api/security/step-up/verify').send(body);
const complete = (challengeId: string) =>
  request(app).post('/api/auth/login/complete').set(ABROAD).send({ challengeId });

/** Creates a traveller whose login from abroad waits for a second proof. */
async function stopAtTheGate() {
  const traveller = await seedTraveller(app);
  const res = await attemptLogin(app, traveller, ABROAD);
  expect(res.status).toBe(428);
  return { ...traveller, challengeId: String(res.body.challengeId) };
}

async function verifiedAtTheGate() {
  const traveller = await stopAtTheGate();
  const { challengeId, secret } = traveller;
  const res = await verify({ code: codeNow(secret), purpose: PURPOSE, challengeId });
  expect(res.status).toBe(200);
  return traveller;
}

describe('a login that looks wrong', () => {
  it('is answered 428 with the contract fields, and opens neither session nor token', async () => {
    const traveller = await seedTraveller(app);
    const before = await sessionsOf(traveller.staffId);
    const res = await attemptLogin(app, traveller, ABROAD);
    expect(res.status).toBe(428);
    expect(res.body).toStrictEqual({
      error: 'STEP_UP_REQUIRED',
      requiresStepUp: true,
      purpose: PURPOSE,
      score: 85,
      reasons: ['NEW_DEVICE', 'NEW_COUNTRY', 'IMPOSSIBLE_TRAVEL'],
      challengeId: expect.stringMatching(/^chl_[A-Za-z0-9_-]{43}$/),
      methods: ['totp'],
      expiresAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
    expect(await sessionsOf(traveller.staffId)).toBe(before);
    const events = await db.select().from(auditLogs).where(eq(auditLogs.actor, traveller.staffId));
    expect(events.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['SUSPICIOUS_LOGIN_DETECTED', 'STEP_UP_REQUIRED']),
    );
  });

  it('carries the challenge in a cookie that scripts and other sites cannot use', async () => {
    const res = await attemptLogin(app, await seedTraveller(app), ABROAD);
    const [cookie] = res.get('Set-Cookie') ?? [];
    expect(cookie).toMatch(/^gh_challenge=chl_/);
    const attributes = (cookie ?? '').split('; ').slice(1);
    expect(attributes).toEqual(expect.arrayContaining(['HttpOnly', 'SameSite=Strict']));
    expect(attributes).toContain('Path=/');
    expect(attributes).not.toContain('Secure');
  });

  it('marks that cookie Secure in production', async () => {
    const { app: production } = buildApp({ nodeEnv: 'production', production: true });
    const res = await attemptLogin(production, await seedTraveller(app), ABROAD);
    expect(res.status).toBe(428);
    expect(res.get('Set-Cookie')?.[0]).toMatch(/^__Host-gh_challenge=.*; Path=\/;.*; Secure/);
  });

  it('names mail, and nothing else, for somebody without a factor', async () => {
    const traveller = await seedTraveller(app, { factor: false });
    const res = await attemptLogin(app, traveller, ABROAD);
    expect(res.status).toBe(428);
    expect(res.body).toMatchObject({ methods: ['email'] });
    const { challengeId } = res.body;
    const answer = await verify({ code: '123456', purpose: PURPOSE, challengeId });
    expect([answer.status, answer.body.error]).toEqual([403, 'INVALID_CODE']);
  });
});

describe('the second proof of a login', () => {
  it('lets a browser in with the two contract bodies and the cookie alone', async () => {
    const traveller = await seedTraveller(app);
    const { email, password, secret } = traveller;
    const browser = request.agent(app).set(ABROAD);
    expect((await browser.post('/api/auth/login').send({ email, password })).status).toBe(428);
    const proof = { code: codeNow(secret), purpose: PURPOSE };
    const verified = await browser.post('/api/security/step-up/verify').send(proof);
    expect(verified.status).toBe(200);
    expect(verified.body).toMatchObject({ verified: true, purpose: PURPOSE, method: 'totp' });
    const res = await browser.post('/api/auth/login').send({ email, password });
    expect(res.status).toBe(200);
    expect(res.body).toMatchObject({
      accessToken: expect.any(String),
      refreshToken: expect.any(String),
      requiresStepUp: false,
    });
    expect(res.get('Set-Cookie')?.join()).toMatch(/gh_challenge=;/);
    const bearer = `Bearer ${String(res.body.accessToken)}`;
    const me = await request(app).get('/api/auth/me').set('authorization', bearer);
    expect(me.body.email).toBe(email);
  });

  it('lets another client in by challengeId', async () => {
    const traveller = await verifiedAtTheGate();
    const { challengeId } = traveller;
    expect((await attemptLogin(app, traveller, ABROAD)).status).toBe(428);
    expect((await attemptLogin(app, traveller, ABROAD, { challengeId })).status).toBe(200);
  });

  it('finishes the login without the password, once', async () => {
    const { challengeId, staffId } = await verifiedAtTheGate();
    const before = await sessionsOf(staffId);
    const first = await complete(challengeId);
    expect(first.status).toBe(200);
    expect(first.body).toMatchObject({ accessToken: expect.any(String), requiresStepUp: false });
    const second = await complete(challengeId);
    expect([second.status, second.body.error]).toEqual([404, 'CHALLENGE_NOT_FOUND']);
    expect(await sessionsOf(staffId)).toBe(before + 1);
  });

  it('lets one of twenty parallel completions through', async () => {
    const { challengeId, staffId } = await verifiedAtTheGate();
    const before = await sessionsOf(staffId);
    const answers = await Promise.all(Array.from({ length: 20 }, () => complete(challengeId)));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([200, ...Array.from({ length: 19 }, () => 404)]);
    expect(await sessionsOf(staffId)).toBe(before + 1);
  });

  it('lets one login with the password through, once', async () => {
    const traveller = await verifiedAtTheGate();
    const { challengeId } = traveller;
    expect((await attemptLogin(app, traveller, ABROAD, { challengeId })).status).toBe(200);
    // That login made this device and country known. Only a login from a third one shows whether
    // the id still counts.
    const farAway = { 'x-forwarded-for': '8.8.8.8', 'user-agent': 'A third device' };
    expect((await attemptLogin(app, traveller, farAway, { challengeId })).status).toBe(428);
    expect((await complete(challengeId)).status).toBe(404);
  });

  it('is refused where the challenge is still open: 409', async () => {
    const { challengeId, staffId } = await stopAtTheGate();
    const before = await sessionsOf(staffId);
    const res = await complete(challengeId);
    expect([res.status, res.body.error]).toEqual([409, 'CHALLENGE_NOT_VERIFIED']);
    expect(await sessionsOf(staffId)).toBe(before);
  });

  it('does not come from a wrong code', async () => {
    const { challengeId, secret } = await stopAtTheGate();
    const [code] = wrongCodes(secret, new Date(), 1);
    const res = await verify({ code, purpose: PURPOSE, challengeId });
    expect([res.status, res.body.error]).toEqual([403, 'INVALID_CODE']);
    expect((await complete(challengeId)).status).toBe(409);
  });

  it("does not help another person's login", async () => {
    const mine = await verifiedAtTheGate();
    const other = await seedTraveller(app);
    const { challengeId } = mine;
    const res = await attemptLogin(app, other, ABROAD, { challengeId });
    expect(res.status).toBe(428);
    expect(res.body.challengeId).not.toBe(challengeId);
    // The attempt did not use it up.
    expect((await attemptLogin(app, mine, ABROAD, { challengeId })).status).toBe(200);
  });

  it("does not come from another person's code", async () => {
    const mine = await stopAtTheGate();
    const other = await seedTraveller(app);
    const proof = { code: codeNow(other.secret), purpose: PURPOSE, challengeId: mine.challengeId };
    expect((await verify(proof)).status).toBe(403);
    expect((await complete(mine.challengeId)).status).toBe(409);
  });

  it("cannot be asked for by the row's id, which is in the audit log", async () => {
    const { staffId } = await verifiedAtTheGate();
    const [row] = await db
      .select()
      .from(stepUpChallenges)
      .where(eq(stepUpChallenges.staffId, staffId));
    const bare = Buffer.concat([
      Buffer.from(String(row?.id).replaceAll('-', ''), 'hex'),
      Buffer.alloc(16),
    ]);
    for (const id of [String(row?.id), `chl_${bare.toString('base64url')}`]) {
      expect((await complete(id)).status).toBe(404);
    }
  });

  it('expires: a verified challenge waits ten minutes for its login and no longer', async () => {
    const { challengeId } = await verifiedAtTheGate();
    const later = { now: () => new Date(Date.now() + 601_000) };
    const { app: tenMinutesLater } = buildApp({}, { clock: later });
    const res = await request(tenMinutesLater)
      .post('/api/auth/login/complete')
      .send({ challengeId });
    expect([res.status, res.body.error]).toEqual([404, 'CHALLENGE_NOT_FOUND']);
  });

  it('does not come from a login at home meanwhile', async () => {
    const traveller = await stopAtTheGate();
    const res = await attemptLogin(app, traveller, HOME);
    expect(res.status).toBe(200);
    expect((await complete(traveller.challengeId)).status).toBe(409);
  });
});
