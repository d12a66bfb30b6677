import { createServer } from 'node:http';
import request from 'supertest';
import { eq, sql } from 'drizzle-orm';
import { db } from '@/server/db';
import { riskPolicies, stepUpChallenges } from '@/server/db/schema';
import { browserOf, me } from '@/tests/helpers/http/authCalls';
import { auditOf, challengesOf } from '@/tests/helpers/database/authRows';
import { closeLater } from '@/tests/helpers/server/closing';
import { expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import { newAuthenticator } from '@/tests/helpers/passkeys/passkeyCalls';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { sendRaw } from '@/tests/helpers/http/rawRequest';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { HOME, attemptLogin } from '@/tests/helpers/people/traveller';

const clock = createMovableClock();
let server: MailServer;
let app: ReturnType<typeof buildApp>['app'];
let deps: ReturnType<typeof buildApp>['deps'];

beforeAll(async () => {
  server = await startMailServer();
  ({ app, deps } = buildApp({ mail: server.settings() }, { clock }));
});

async function setPolicy(tenantId: string, policy: object) {
  const row = { tenantId, policy };
  await db
    .insert(riskPolicies)
    .values(row)
    .onConflictDoUpdate({ target: riskPolicies.tenantId, set: row });
  deps.riskPolicies.forget(tenantId);
}

/** Creates a person without a factor, in a tenant that requires one of everybody. */
async function seedNewcomer(policy: object = {}): Promise<SeededAuth> {
  const member = await seedTestUserAndToken();
  await setPolicy(member.tenantId, { secondFactor: 'always', ...policy });
  return member;
}

const post = (path: string, body: object, headers: Record<string, string> = {}) =>
  request(app).post(path).set(headers).send(body);

async function ask(member: SeededAuth): Promise<{ challengeId: string; cookie: string }> {
  const asked = await attemptLogin(app, member, HOME);
  expect(asked.status).toBe(428);
  expect(asked.body).toMatchObject({
    ...{ score: 0, reasons: ['SECOND_FACTOR_REQUIRED'], methods: ['email'], mustEnrol: true },
  });
  return { challengeId: asked.body.challengeId as string, cookie: browserOf(asked) };
}

async function proveByMail(member: SeededAuth, challengeId: string): Promise<void> {
  const which = { purpose: 'security_settings', challengeId };
  const before = server.received.filter(({ to }) => to.includes(member.email)).length;
  const started = await post('/api/security/step-up/start', { ...which, method: 'email' });
  expect(started.status).toBe(200);
  const mails = await pollUntil(
    'the code arrives',
    () => Promise.resolve(server.received.filter(({ to }) => to.includes(member.email))),
    ({ length }) => length > before,
  );
  const code = /^ {2}(\d{6})$/m.exec(mails.at(-1)?.text ?? '')?.[1];
  expect((await post('/api/security/step-up/verify', { ...which, code })).status).toBe(200);
}

/** @returns the status of the confirmation */
async function enrolTotp(challengeId: string): Promise<number> {
  const begun = await post('/api/security/totp/enroll', { challengeId });
  expect(begun.status).toBe(200);
  const code = codeAt(begun.body.secret as string, clock.now());
  return (await post('/api/security/totp/confirm', { code, challengeId })).status;
}

const complete = (challengeId: string) => post('/api/auth/login/complete', { challengeId });

describe('a tenant that demands a factor of everybody', () => {
  it('lets somebody without one enrol it after an e-mail proof, and only then in', async () => {
    const member = await seedNewcomer();
    const { challengeId } = await ask(member);
    await proveByMail(member, challengeId);
    for (const early of [
      await attemptLogin(app, member, HOME, { challengeId }),
      await complete(challengeId),
    ]) {
      expectRefusal(early, [409]);
      expect(early.body).toMatchObject({ error: 'ENROLMENT_REQUIRED', mustEnrol: true });
    }
    expect(await enrolTotp(challengeId)).toBe(200);
    const entered = await attemptLogin(app, member, HOME, { challengeId });
    expect(entered.status).toBe(200);
    expect((await me(app, entered.body.accessToken as string)).status).toBe(200);
    const [login] = (await auditOf('AUTH_LOGIN_SUCCEEDED', member.tenantId)).slice(-1);
    expect(login).toMatchObject({ details: { stepUp: true, reasons: ['SECOND_FACTOR_REQUIRED'] } });
    const [enrolled] = await auditOf('FACTOR_ENROLLED', member.tenantId);
    const { tenantId, staffId } = member;
    expect(enrolled).toMatchObject({ tenantId, actor: staffId, sessionId: null });
    // From now on the factor is requested.
    expect((await attemptLogin(app, member, HOME)).body).toMatchObject({ methods: ['totp'] });
  });

  it('works for a browser with its cookie alone, and with a passkey', async () => {
    const member = await seedNewcomer({ methods: ['passkey'] });
    const { challengeId, cookie } = await ask(member);
    await proveByMail(member, challengeId);
    const browser = { cookie };
    const begun = await post('/api/security/passkeys/register/start', {}, browser);
    expect(begun.status).toBe(200);
    const response = newAuthenticator(deps).create(begun.body as never);
    const named = { name: 'My key', response };
    const done = await post('/api/security/passkeys/register/finish', named, browser);
    expect(done.status).toBe(200);
    expect((await post('/api/auth/login/complete', {}, browser)).status).toBe(200);
  });

  it('answers a browser whose body turns out empty: it is read by the guard and by the route', async () => {
    const member = await seedNewcomer();
    const { challengeId, cookie } = await ask(member);
    await proveByMail(member, challengeId);
    const open = createServer(app).listen(0);
    closeLater(() => new Promise((resolve) => open.close(resolve)));
    const head = ['POST /api/security/totp/confirm HTTP/1.1', `cookie: ${cookie}`];
    const answer = await sendRaw(open, [...head, 'transfer-encoding: chunked'], '0\r\n\r\n');
    expect(answer.status).toBe(400);
    expect(answer.body).toContain('"INVALID_INPUT"');
  });

  it('says so if there is no mail to prove oneself with', async () => {
    const { app: silent, deps: its } = buildApp({}, { clock });
    its.mail.isAvailable = () => false;
    const member = await seedNewcomer();
    const asked = await attemptLogin(silent, member, HOME);
    expect(asked.status).toBe(428);
    const reason = 'NO_FACTOR_ENROLLED';
    expect(asked.body).toMatchObject({ methods: [], mustEnrol: true, reason });
  });
});

describe('a challenge that asks for a factor', () => {
  it('enrols nothing before it is proven, and nothing for anybody without it', async () => {
    const member = await seedNewcomer();
    const { challengeId } = await ask(member);
    for (const body of [{ challengeId }, { challengeId: 'chl_made-up' }, {}]) {
      expectRefusal(await post('/api/security/totp/enroll', body), [401]);
      expectRefusal(await post('/api/security/passkeys/register/start', body), [401]);
    }
    expect((await complete(challengeId)).body).toMatchObject({ error: 'CHALLENGE_NOT_VERIFIED' });
  });

  it('opens no other route than those that enrol', async () => {
    const member = await seedNewcomer();
    const { challengeId, cookie } = await ask(member);
    await proveByMail(member, challengeId);
    const browser = { cookie };
    for (const path of ['/api/auth/me', '/api/security/factors', '/api/auth/sessions']) {
      expect((await request(app).get(path).set(browser)).status).toBe(401);
    }
    for (const path of ['/api/security/recovery-codes', '/api/auth/logout-all']) {
      expect((await post(path, { challengeId }, browser)).status).toBe(401);
    }
  });

  it('enrols one factor, also of ten at once, and none after its login', async () => {
    const member = await seedNewcomer();
    const { challengeId } = await ask(member);
    await proveByMail(member, challengeId);
    const begun = await post('/api/security/totp/enroll', { challengeId });
    const code = codeAt(begun.body.secret as string, clock.now());
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => post('/api/security/totp/confirm', { code, challengeId })),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await auditOf('FACTOR_ENROLLED', member.tenantId)).toHaveLength(1);
    expectRefusal(await post('/api/security/totp/enroll', { challengeId }), [401]);
    expect((await complete(challengeId)).status).toBe(200);
    expectRefusal(await post('/api/security/totp/enroll', { challengeId }), [401]);
  });

  it('of a thief enrols nothing and signs nobody in, once the owner has enrolled a factor', async () => {
    const member = await seedNewcomer();
    const [theirs, mine] = [await ask(member), await ask(member)];
    await proveByMail(member, theirs.challengeId);
    clock.forward(61);
    await proveByMail(member, mine.challengeId);
    const begun = await post('/api/security/totp/enroll', { challengeId: theirs.challengeId });
    expect(begun.status).toBe(200);
    expect(await enrolTotp(mine.challengeId)).toBe(200);
    const second = await post('/api/security/totp/enroll', { challengeId: theirs.challengeId });
    const code = codeAt(second.body.secret as string, clock.now());
    const late = { code, challengeId: theirs.challengeId };
    expectRefusal(await post('/api/security/totp/confirm', late), [404]);
    expect((await complete(theirs.challengeId)).status).toBe(409);
    expect((await complete(mine.challengeId)).status).toBe(200);
  });

  it('is over after ten minutes, with whatever ends the sessions, and with the member', async () => {
    const ends: ((member: SeededAuth) => Promise<unknown>)[] = [
      async ({ staffId }) => {
        const ago = sql`verified_at - interval '11 minutes'`;
        const ofStaff = eq(stepUpChallenges.staffId, staffId);
        await db.update(stepUpChallenges).set({ verifiedAt: ago }).where(ofStaff);
      },
      ({ staffId }) =>
        db.execute(
          sql`UPDATE tenant_staff SET session_version = session_version + 1 WHERE id = ${staffId}`,
        ),
      ({ staffId }) =>
        db.execute(sql`UPDATE tenant_staff SET status = 'disabled' WHERE id = ${staffId}`),
    ];
    for (const end of ends) {
      const member = await seedNewcomer();
      const { challengeId } = await ask(member);
      await proveByMail(member, challengeId);
      await end(member);
      expectRefusal(await post('/api/security/totp/enroll', { challengeId }), [401]);
    }
  });

  it('counts for its own login alone: one that asks for no factor enrols nothing', async () => {
    const member = await seedTestUserAndToken();
    const secret = await giveFactor(member);
    await setPolicy(member.tenantId, { secondFactor: 'if_enrolled' });
    const { challengeId } = (await attemptLogin(app, member, HOME)).body as { challengeId: string };
    const code = codeAt(secret, clock.now());
    const proof = { purpose: 'security_settings', code, challengeId };
    expect((await post('/api/security/step-up/verify', proof)).status).toBe(200);
    expectRefusal(await post('/api/security/totp/enroll', { challengeId }), [401]);
    expect((await challengesOf(member.staffId)).map(({ mustEnrol }) => mustEnrol)).toStrictEqual([
      false,
    ]);
  });

  it('enrols nothing that the tenant does not count', async () => {
    const member = await seedNewcomer({ methods: ['passkey', 'email'] });
    const { challengeId } = await ask(member);
    await proveByMail(member, challengeId);
    const res = await post('/api/security/totp/enroll', { challengeId });
    expect([res.status, res.body.error]).toStrictEqual([409, 'METHOD_UNAVAILABLE']);
  });
});

describe('somebody whose factors no longer count', () => {
  it('proves themself with what they have at the next login, enrols one that counts, and is in', async () => {
    const member = await seedTestUserAndToken();
    const secret = await giveFactor(member);
    await setPolicy(member.tenantId, { methods: ['passkey'], secondFactor: 'if_enrolled' });
    const asked = await attemptLogin(app, member, HOME);
    expect(asked.body).toMatchObject({ methods: ['totp'], mustEnrol: true });
    const { challengeId } = asked.body as { challengeId: string };
    const code = codeAt(secret, clock.now());
    const proof = { purpose: 'security_settings', code, challengeId };
    expect((await post('/api/security/step-up/verify', proof)).status).toBe(200);
    expect((await complete(challengeId)).body.error).toBe('ENROLMENT_REQUIRED');
    const begun = await post('/api/security/passkeys/register/start', { challengeId });
    const response = newAuthenticator(deps).create(begun.body as never);
    const named = { name: 'My key', response, challengeId };
    expect((await post('/api/security/passkeys/register/finish', named)).status).toBe(200);
    expect((await complete(challengeId)).status).toBe(200);
  });

  it('does the same in a session; that proof enrols, and opens nothing else', async () => {
    const member = await seedTestUserAndToken();
    const secret = await giveFactor(member);
    const { body } = await attemptLogin(app, member, HOME);
    await setPolicy(member.tenantId, { methods: ['passkey'] });
    const bearer = { authorization: `Bearer ${String(body.accessToken)}` };
    const start = () => post('/api/security/passkeys/register/start', {}, bearer);
    const asked = await start();
    expect(asked.status).toBe(428);
    expect(asked.body).toMatchObject({ methods: ['totp'] });
    const { challengeId } = asked.body as { challengeId: string };
    const proof = { purpose: 'security_settings', code: codeAt(secret, clock.now()), challengeId };
    expect((await post('/api/security/step-up/verify', proof, bearer)).status).toBe(200);
    const other = await post('/api/security/recovery-codes', {}, bearer);
    expect(other.status).toBe(428);
    expect(other.body).toMatchObject({ methods: [], reason: 'NO_FACTOR_ENROLLED' });
    expect((await start()).status).toBe(200);
  });
});
