import request from 'supertest';
import { db } from '@/server/db';
import { loadConfig, requireReady } from '@/server/config';
import { passkeys, recoveryCodes } from '@/server/db/schema';
import { createKeyRing } from '@/server/keyRing';
import { login } from '@/tests/helpers/http/authCalls';
import { askForProof } from '@/tests/helpers/stepUp/askForProof';
import { auditOf, tablesHolding } from '@/tests/helpers/database/authRows';
import { passEnrolmentHour } from '@/tests/helpers/stepUp/enrolmentHour';
import { expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { codeAt } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeedOptions, SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';

const clock = createMovableClock();
// Tokens outlive the steps of these tests, so that a refusal comes from the gate.
const { app } = buildApp({ accessTokenTtlSec: 86_400 }, { clock });

const call = (who: { token: string }, method: 'get' | 'post' | 'delete', path: string) =>
  request(app)[method](`/api/security/${path}`).set('authorization', `Bearer ${who.token}`);
/** Does the same without the gate, which has its own tests. */
const pass = (who: { token: string }, method: 'get' | 'post' | 'delete', path: string) =>
  call(who, method, path).set('x-stepup-test-bypass', '1');

const answer = (who: { token: string }, code: string) =>
  call(who, 'post', 'step-up/verify').send({ code, purpose: 'security_settings' });

/** Does the same after the session has been asked for it. */
async function prove(who: { token: string }, code: string) {
  await askForProof(app, who.token, 'security_settings');
  return answer(who, code);
}

interface Member extends SeededAuth {
  secret: string;
}

/** Creates a person who is signed in at the time of this file's clock. */
async function signIn(options: SeedOptions = {}): Promise<SeededAuth> {
  const member = await seedTestUserAndToken(options);
  const { body } = await login(app, member);
  return { ...member, token: String(body.accessToken) };
}

/** Enrols an authenticator as its owner does. @returns its secret */
async function enroll(who: SeededAuth, proof?: string, name?: string): Promise<string> {
  if (proof !== undefined) {
    clock.forward(30);
    expect((await call(who, 'post', 'totp/enroll')).status).toBe(428);
    expect((await prove(who, codeAt(proof, clock.now()))).status).toBe(200);
  }
  const { secret } = (await call(who, 'post', 'totp/enroll')).body as { secret: string };
  const body = { code: codeAt(secret, clock.now()), ...(name === undefined ? {} : { name }) };
  expect((await call(who, 'post', 'totp/confirm').send(body)).status).toBe(200);
  return secret;
}

async function seedMember(name?: string): Promise<Member> {
  const member = await signIn();
  return { ...member, secret: await enroll(member, undefined, name) };
}

const listOf = async (who: { token: string }) => {
  const res = await call(who, 'get', 'factors');
  expect(res.status).toBe(200);
  return res.body as {
    factors: { id: string; type: string; name: string; lastUsedAt: string | null }[];
    recoveryCodes: { left: number; createdAt: string | null };
  };
};

async function makeCodes(who: Member): Promise<string[]> {
  const res = await pass(who, 'post', 'recovery-codes');
  expect(res.status).toBe(200);
  return res.body.codes as string[];
}

describe('several authenticators', () => {
  it('are named, listed with when they were last used, and each of them proves', async () => {
    const member = await seedMember('Work phone');
    const second = await enroll(member, member.secret, 'Tablet');
    clock.forward(30);
    expect((await prove(member, codeAt(second, clock.now()))).status).toBe(200);
    const { factors } = await listOf(member);
    expect(factors).toMatchObject([
      { type: 'totp', name: 'Work phone' },
      { type: 'totp', name: 'Tablet', lastUsedAt: clock.now().toISOString() },
    ]);
    expect(JSON.stringify(factors)).not.toContain(second);
    clock.forward(30);
    expect((await prove(member, codeAt(member.secret, clock.now()))).status).toBe(200);
  });

  it('are ten at most', async () => {
    const member = await seedMember();
    for (let more = 1; more < 10; more += 1) await enroll(member, member.secret);
    // Ten enrolments may begin in an hour. That limit must not be the reason why the eleventh is
    // refused.
    await passEnrolmentHour();
    const { secret } = (await pass(member, 'post', 'totp/enroll')).body as { secret: string };
    const body = { code: codeAt(secret, clock.now()) };
    const res = await call(member, 'post', 'totp/confirm').send(body);
    expectRefusal(res, [409]);
    expect(res.body.error).toBe('TOO_MANY_FACTORS');
    expect((await listOf(member)).factors).toHaveLength(10);
  });

  it('each make one proof of a code, also among many at a time', async () => {
    const member = await seedMember();
    await enroll(member, member.secret);
    clock.forward(30);
    const code = codeAt(member.secret, clock.now());
    await askForProof(app, member.token, 'security_settings');
    const answers = await Promise.all(Array.from({ length: 20 }, () => answer(member, code)));
    expect(answers.map(({ status }) => status)).toStrictEqual(Array(20).fill(200));
    expect(await auditOf('STEP_UP_FAILED', member.tenantId)).toStrictEqual([]);
    expect((await prove(member, code)).status).toBe(403);
  });
});

describe('removing a factor', () => {
  it('takes a fresh proof, is audited, and its codes are worth nothing then', async () => {
    const member = await seedMember();
    const second = await enroll(member, member.secret);
    clock.forward(700);
    const [, { id = '' } = {}] = (await listOf(member)).factors;
    expect((await call(member, 'delete', `factors/${id}`)).status).toBe(428);
    expect((await listOf(member)).factors).toHaveLength(2);
    await prove(member, codeAt(member.secret, clock.now()));
    expect((await call(member, 'delete', `factors/${id}`)).status).toBe(204);
    expect((await listOf(member)).factors).toHaveLength(1);
    clock.forward(30);
    expect((await prove(member, codeAt(second, clock.now()))).status).toBe(403);
    expect(await auditOf('FACTOR_REMOVED', member.tenantId)).toMatchObject([
      { subject: `factor:${id}`, actor: member.staffId, details: { factor: 'totp', via: 'api' } },
    ]);
    expectRefusal(await pass(member, 'delete', `factors/${id}`), [404]);
  });

  it('takes the recovery codes along where it was the last', async () => {
    const member = await seedMember();
    await enroll(member, member.secret);
    const [code = ''] = await makeCodes(member);
    const [first, second] = (await listOf(member)).factors;
    await pass(member, 'delete', `factors/${first?.id}`).expect(204);
    expect((await listOf(member)).recoveryCodes.left).toBe(10);
    await pass(member, 'delete', `factors/${second?.id}`).expect(204);
    expect(await listOf(member)).toMatchObject({ factors: [], recoveryCodes: { left: 0 } });
    expect((await prove(member, code)).status).not.toBe(200);
  });

  it('works for passkeys as well, and for nobody else\u2019s factor', async () => {
    const mine = await seedMember();
    const colleague = await signIn({ tenantId: mine.tenantId });
    const theirs = { ...colleague, secret: await enroll(colleague) };
    const { tenantId, userId, staffId } = theirs;
    const key = { name: 'Key', publicKey: Buffer.from([0]), transports: [], backedUp: false };
    await db.insert(passkeys).values({ tenantId, userId, staffId, credentialId: staffId, ...key });
    const { factors } = await listOf(theirs);
    expect(factors.map(({ type }) => type)).toStrictEqual(['totp', 'passkey']);
    for (const { id } of factors) {
      expectRefusal(await pass(mine, 'delete', `factors/${id}`), [404]);
    }
    await pass(theirs, 'delete', `factors/${factors[1]?.id}`).expect(204);
    expect((await listOf(theirs)).factors).toHaveLength(1);
  });
});

describe('recovery codes', () => {
  it('are ten, are shown once, and lie in no table in any readable form', async () => {
    const member = await seedMember();
    const codes = await makeCodes(member);
    expect(new Set(codes).size).toBe(10);
    // 75 random bits: the hash is fast, so the code itself must be too long to guess (ASVS 6.5.2).
    for (const code of codes)
      expect(code).toMatch(/^[0-9a-hjkmnp-tv-z]{5}(-[0-9a-hjkmnp-tv-z]{5}){2}$/);
    const [code = ''] = codes;
    expect(await tablesHolding(code)).toStrictEqual([]);
    expect(await tablesHolding(code.replaceAll('-', ''))).toStrictEqual([]);
    const listed = await listOf(member);
    expect(listed.recoveryCodes).toMatchObject({ left: 10, createdAt: clock.now().toISOString() });
    expect(JSON.stringify(listed)).not.toContain(code);
  });

  it('prove once each, also among many at a time, however they are typed', async () => {
    const member = await seedMember();
    const [code = '', other = ''] = await makeCodes(member);
    await askForProof(app, member.token, 'security_settings');
    const answers = await Promise.all(Array.from({ length: 20 }, () => answer(member, code)));
    for (const { status, body } of answers) {
      expect([status, body]).toMatchObject([200, { verified: true, method: 'recovery_code' }]);
    }
    const typed = ` ${other.toUpperCase().replace('-', ' ').replaceAll('0', 'O').replaceAll('1', 'l')} `;
    expect((await prove(member, typed)).status).toBe(200);
    expect((await prove(member, code)).status).toBe(403);
    expect((await listOf(member)).recoveryCodes.left).toBe(8);
    expect(await auditOf('STEP_UP_VERIFIED', member.tenantId)).toMatchObject([
      { details: { method: 'recovery_code' } },
      { details: { method: 'recovery_code' } },
    ]);
  });

  const inFullWidth = (code: string) =>
    code.replace(/[!-~]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0));

  it.each<[string, (code: string) => string]>([
    ['with a line break after them', (code) => `${code}\r\n`],
    ['with a no-break space', (code) => `${code}\u00a0`],
    ['with non-breaking hyphens', (code) => code.replaceAll('-', '\u2011')],
    ['with en dashes', (code) => code.replaceAll('-', '\u2013')],
    ['with soft hyphens and zero-width spaces', (code) => [...code].join('\u200b\u00ad')],
    ['in full-width letters', inFullWidth],
  ])('may be typed or pasted %s', async (_how, write) => {
    const member = await seedMember();
    const [code = ''] = await makeCodes(member);
    expect((await prove(member, write(code))).status).toBe(200);
  });

  it('of an earlier release, which are shorter, still work once', async () => {
    const member = await seedMember();
    const { tenantId, userId, staffId } = member;
    const keys = createKeyRing(requireReady(loadConfig()).secrets);
    const codeHash = keys.hash('recovery-code', staffId, 'abcde12345').toString('hex');
    await db.insert(recoveryCodes).values({ tenantId, userId, staffId, codeHash });
    expect((await prove(member, 'ABCDE-12345')).status).toBe(200);
    expect((await prove(member, 'abcde-12345')).status).toBe(403);
  });

  it("are made anew without touching a colleague's", async () => {
    const mine = await seedMember();
    const colleague = await signIn({ tenantId: mine.tenantId });
    await enroll(colleague);
    const theirs = { ...colleague, secret: '' };
    const [code = ''] = await makeCodes(theirs);
    await makeCodes(mine);
    expect((await prove(theirs, code)).status).toBe(200);
    expect((await listOf(theirs)).recoveryCodes.left).toBe(9);
    expect((await listOf(mine)).recoveryCodes.left).toBe(10);
  });

  it('of an older set, or of somebody else, prove nothing', async () => {
    const [mine, theirs] = [await seedMember(), await seedMember()];
    const [old = ''] = await makeCodes(mine);
    await makeCodes(mine);
    const [foreign = ''] = await makeCodes(theirs);
    for (const code of [old, foreign]) expect((await prove(mine, code)).status).toBe(403);
    expect((await listOf(mine)).recoveryCodes.left).toBe(10);
  });

  it('take a fresh proof to be made, and a factor whose loss they are for', async () => {
    const member = await seedMember();
    clock.forward(700);
    expect((await call(member, 'post', 'recovery-codes')).status).toBe(428);
    const without = await signIn();
    const res = await pass(without, 'post', 'recovery-codes');
    expectRefusal(res, [409]);
    expect(res.body.error).toBe('NO_FACTOR');
  });

  it('are offered in a 428 while there are any, after what is stronger', async () => {
    const member = await seedMember();
    const codes = await makeCodes(member);
    clock.forward(700);
    const methods = async () =>
      (await call(member, 'post', 'recovery-codes')).body.methods as string[];
    expect(await methods()).toStrictEqual(['totp', 'recovery_code']);
    for (const code of codes) {
      clock.forward(700);
      expect((await prove(member, code)).status).toBe(200);
    }
    clock.forward(700);
    expect(await methods()).toStrictEqual(['totp']);
  });

  it('are audited when they are made and when they give way', async () => {
    const member = await seedMember();
    await makeCodes(member);
    await makeCodes(member);
    const details = { factor: 'recovery_code', via: 'api' };
    expect(await auditOf('FACTOR_ENROLLED', member.tenantId)).toMatchObject([
      { details: { factor: 'totp' } },
      { details },
      { details },
    ]);
    expect(await auditOf('FACTOR_REMOVED', member.tenantId)).toMatchObject([{ details }]);
  });

  it('are guessed at no faster than any code: five tries a challenge', async () => {
    const member = await seedMember();
    await makeCodes(member);
    const statuses: number[] = [];
    for (let guess = 0; guess < 6; guess += 1) {
      const res = await prove(member, `0000${guess}-00000`);
      statuses.push(res.status);
      if (guess === 0) expect(res.body).toMatchObject({ error: 'INVALID_CODE', attemptsLeft: 4 });
    }
    expect(statuses.slice(0, 5)).toStrictEqual([403, 403, 403, 403, 403]);
  });
});
