import request from 'supertest';
import { askForProof } from '@/tests/helpers/stepUp/askForProof';
import { auditOf, challengesOf } from '@/tests/helpers/database/authRows';
import { ADDRESS, browserOf, fromAddress, refresh } from '@/tests/helpers/http/authCalls';
import { openNode } from '@/tests/helpers/server/openNode';
import { codeAt, wrongCodes } from '@/tests/helpers/stepUp/secondFactor';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

const { app, clock } = openNode();
const PURPOSE = 'security_settings';

const outcome = (res: request.Response) => [res.status, res.body.error];
const post = (path: string, token: string, body: object, cookie?: string) => {
  const call = request(app).post(path).set('authorization', `Bearer ${token}`);
  return (cookie === undefined ? call : call.set('cookie', cookie)).send(body);
};
const verify = (token: string, body: object, cookie?: string) =>
  post('/api/security/step-up/verify', token, body, cookie);
const start = (token: string, body: object, cookie?: string) =>
  post('/api/security/step-up/start', token, body, cookie);
const askForCodes = (token: string) => post('/api/security/recovery-codes', token, {});

async function seedSignedIn() {
  const member = await seedTraveller(app);
  const { body } = await attemptLogin(app, member, HOME);
  const token = body.accessToken as string;
  const proof = () => ({ code: codeAt(member.secret, clock.now()), purpose: PURPOSE });
  return { ...member, token, refreshToken: body.refreshToken as string, proof };
}

const attemptsOf = async (staffId: string) =>
  (await challengesOf(staffId)).map(({ attempts }) => attempts);

describe('a bearer who names no challenge', () => {
  it('answers the only one that is open for this session and purpose', async () => {
    const who = await seedSignedIn();
    await askForProof(app, who.token, 'data_export');
    await askForCodes(who.token).expect(428);
    await verify(who.token, who.proof()).expect(200);
    await askForCodes(who.token).expect(200);
  });

  it('is told to name one if none was asked for, and no try is taken', async () => {
    const who = await seedSignedIn();
    const res = await verify(who.token, who.proof());
    expect(outcome(res)).toEqual([409, 'CHALLENGE_ID_REQUIRED']);
    const begun = await start(who.token, { purpose: PURPOSE, method: 'passkey' });
    expect(outcome(begun)).toEqual([409, 'CHALLENGE_ID_REQUIRED']);
    expect(await challengesOf(who.staffId)).toEqual([]);
    expect(await auditOf('STEP_UP_FAILED', who.tenantId)).toEqual([]);
  });

  it('is told to name one if several are open, and no try is taken', async () => {
    const who = await seedSignedIn();
    const { challengeId } = (await askForCodes(who.token)).body;
    await post('/api/security/totp/enroll', who.token, {}).expect(428);
    const [wrong] = wrongCodes(who.secret, clock.now(), 1);
    for (const code of [wrong, who.proof().code]) {
      const res = await verify(who.token, { code, purpose: PURPOSE });
      expect(outcome(res)).toEqual([409, 'CHALLENGE_ID_REQUIRED']);
    }
    expect(await attemptsOf(who.staffId)).toEqual([0, 0]);
    await verify(who.token, { ...who.proof(), challengeId }).expect(200);
    await askForCodes(who.token).expect(200);
  });

  it('never answers one that a login opened, unless they name it', async () => {
    const who = await seedSignedIn();
    const stranger = await attemptLogin(app, who, ABROAD);
    expect(stranger.status).toBe(428);
    const res = await verify(who.token, who.proof());
    expect(outcome(res)).toEqual([409, 'CHALLENGE_ID_REQUIRED']);
    const { challengeId } = stranger.body;
    const finish = request(app).post('/api/auth/login/complete').set(ABROAD).send({ challengeId });
    expect((await finish).status).toBe(409);
    await verify(who.token, { ...who.proof(), challengeId }).expect(200);
  });

  it('never answers one that a refresh opened in the same session, unless they name it', async () => {
    const who = await seedSignedIn();
    const thief = { ...fromAddress(ADDRESS.JP), 'user-agent': 'Something unheard of' };
    expect((await refresh(app, who.refreshToken, thief)).status).toBe(428);
    const res = await verify(who.token, who.proof());
    expect(outcome(res)).toEqual([409, 'CHALLENGE_ID_REQUIRED']);
    expect((await challengesOf(who.staffId)).map(({ verifiedAt }) => verifiedAt)).toEqual([null]);
  });
});

describe('the challenge in the cookie', () => {
  it("comes before the session's own", async () => {
    const who = await seedSignedIn();
    await askForCodes(who.token).expect(428);
    const cookies = browserOf(await attemptLogin(app, who, ABROAD));
    await verify(who.token, who.proof(), cookies).expect(200);
    const rows = await challengesOf(who.staffId);
    const verified = rows.filter(({ verifiedAt }) => verifiedAt !== null);
    expect(verified.map(({ origin }) => origin)).toEqual(['login']);
  });

  it('counts as none if it is for another purpose, of another person, or can no longer be answered', async () => {
    const who = await seedSignedIn();
    const colleague = await seedTraveller(app, { tenantId: who.tenantId });
    const theirs = browserOf(await attemptLogin(app, colleague, ABROAD));
    const answered = await attemptLogin(app, who, ABROAD);
    const used = browserOf(answered);
    const challengeId = answered.body.challengeId as string;
    await verify(who.token, { ...who.proof(), challengeId }).expect(200);
    clock.advance(30);
    for (const cookie of [theirs, used, 'gh_challenge=chl_nonsense']) {
      await askForCodes(who.token).expect(428);
      await verify(who.token, who.proof(), cookie).expect(200);
      await askForCodes(who.token).expect(200);
      clock.advance(30);
    }
    const exporting = { ...who.proof(), purpose: 'data_export' };
    const other = browserOf(await attemptLogin(app, who, ABROAD));
    const res = await verify(who.token, exporting, other);
    expect(outcome(res)).toEqual([409, 'CHALLENGE_ID_REQUIRED']);
  });
});
