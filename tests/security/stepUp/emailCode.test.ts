import type { Express } from 'express';
import request from 'supertest';
import { auditOf, tablesHolding } from '@/tests/helpers/database/authRows';
import { expectRefusal } from '@/tests/helpers/http/expectRefusal';
import { startMailServer } from '@/tests/helpers/mail/mailServer';
import type { MailServer } from '@/tests/helpers/mail/mailServer';
import { createLogger } from '@/server/logger';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { ABROAD, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import type { Traveller } from '@/tests/helpers/people/traveller';

const clock = createMovableClock();
const log: string[] = [];
const stream = { write: (line: string) => void log.push(line) };
const logger = createLogger({ logLevel: 'trace' }, stream);
let server: MailServer;
let app: Express;

beforeAll(async () => {
  server = await startMailServer();
  ({ app } = buildApp({ mail: server.settings(), accessTokenTtlSec: 86_400 }, { clock, logger }));
});

interface Asked extends Traveller {
  challengeId: string;
}

/** Creates a person without a factor, who signs in from far away and is asked for a proof. */
async function seedAsked(): Promise<Asked & { methods: string[] }> {
  const member = await seedTraveller(app, { factor: false });
  const { status, body } = await attemptLogin(app, member, ABROAD);
  expect(status).toBe(428);
  return { ...member, challengeId: body.challengeId as string, methods: body.methods as string[] };
}

const start = ({ challengeId }: { challengeId: string }, at = app) =>
  request(at)
    .post('/api/security/step-up/start')
    .send({ purpose: 'security_settings', method: 'email', challengeId });
const verify = ({ challengeId }: { challengeId: string }, code: string) =>
  request(app)
    .post('/api/security/step-up/verify')
    .send({ purpose: 'security_settings', code, challengeId });

/** Returns the code of the n-th mail to a person. */
async function codeFor({ email }: { email: string }, mail = 1): Promise<string> {
  const find = () =>
    Promise.resolve(
      server.received.filter(({ to, text }) => to.includes(email) && /^ {2}\d{6}$/m.test(text)),
    );
  const mails = await pollUntil('the code arrives', find, ({ length }) => length >= mail);
  return /^ {2}(\d{6})$/m.exec(mails[mail - 1]?.text ?? '')?.[1] ?? '';
}

const wrongFor = (code: string) => String((Number(code) + 1) % 1_000_000).padStart(6, '0');

describe('a mailed code', () => {
  it('is the way on for somebody who has enrolled nothing, and lets one login in', async () => {
    const who = await seedAsked();
    expect(who.methods).toStrictEqual(['email']);
    const res = await start(who);
    expect(res.status).toBe(200);
    expect(res.body).toMatchObject({ sent: true, againAfterSec: 60 });
    const code = await codeFor(who);
    const verified = await verify(who, code);
    expect(verified.body).toMatchObject({ verified: true, method: 'email' });
    const { challengeId } = who;
    expect((await attemptLogin(app, who, ABROAD, { challengeId })).status).toBe(200);
    expect((await attemptLogin(app, who, ABROAD, { challengeId })).status).toBe(200);
    const [event] = await auditOf('STEP_UP_VERIFIED', who.tenantId);
    expect(event).toMatchObject({ details: { method: 'email', origin: 'login' } });
  });

  it('is no way around what somebody has enrolled: it is neither offered nor sent', async () => {
    const member = await seedTraveller(app, { factor: true });
    const { body } = await attemptLogin(app, member, ABROAD);
    expect(body.methods).toStrictEqual(['totp']);
    expectRefusal(await start({ challengeId: body.challengeId as string }), [409]);
  });

  it('counts no more once a factor was enrolled', async () => {
    const who = await seedAsked();
    await start(who);
    const code = await codeFor(who);
    await giveFactor(who);
    expect((await verify(who, code)).status).toBe(403);
  });

  it('makes one proof, also among many at a time, and says so to all', async () => {
    const who = await seedAsked();
    await start(who);
    const code = await codeFor(who);
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => verify(who, code)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(await auditOf('STEP_UP_VERIFIED', who.tenantId)).toHaveLength(1);
    expect(await auditOf('STEP_UP_FAILED', who.tenantId)).toEqual([]);
  });

  it('answers its own challenge and no other', async () => {
    const who = await seedAsked();
    await start(who);
    const code = await codeFor(who);
    const { body } = await attemptLogin(app, who, ABROAD);
    const other = { challengeId: body.challengeId as string };
    expect((await verify(other, code)).status).toBe(403);
    clock.forward(60);
    await start(other);
    await codeFor(who, 2);
    expect((await verify(other, code)).status).toBe(403);
    expect((await verify(who, code)).status).toBe(200);
  });

  it('is worth nothing before it was asked for, with the wrong digits, or ten minutes later', async () => {
    const who = await seedAsked();
    expect((await verify(who, '000000')).status).toBe(403);
    await start(who);
    const code = await codeFor(who);
    expect((await verify(who, wrongFor(code))).status).toBe(403);
    const failures = await auditOf('STEP_UP_FAILED', who.tenantId);
    expect(failures.map(({ details }) => details['reason'])).toStrictEqual([
      'wrong_code',
      'wrong_code',
    ]);
    clock.forward(600);
    expectRefusal(await verify(who, code), [404]);
  });

  it('gives way to the next one', async () => {
    const who = await seedAsked();
    await start(who);
    const first = await codeFor(who);
    clock.forward(60);
    await start(who);
    const second = await codeFor(who, 2);
    if (first !== second) expect((await verify(who, first)).status).toBe(403);
    expect((await verify(who, second)).status).toBe(200);
  });

  it('is mailed three times a challenge, not within a minute, and ten times an hour in all', async () => {
    const who = await seedAsked();
    const statuses: number[] = [];
    for (let mail = 0; mail < 4; mail += 1) {
      statuses.push((await start(who)).status);
      const soon = await start(who);
      expectRefusal(soon, [429]);
      // After the last mail, waiting does not help.
      expect(soon.headers['retry-after']).toBe(mail < 2 ? '60' : undefined);
      if (mail >= 2) expect(soon.body.detail).toContain('No more codes are mailed');
      clock.forward(59);
      expectRefusal(await start(who), [429]);
      clock.forward(1);
    }
    expect(statuses).toStrictEqual([200, 200, 200, 429]);
    for (let mail = 3; mail < 10; mail += 1) {
      const { body } = await attemptLogin(app, who, ABROAD);
      expect((await start({ challengeId: body.challengeId as string })).status).toBe(200);
    }
    const { body } = await attemptLogin(app, who, ABROAD);
    expectRefusal(await start({ challengeId: body.challengeId as string }), [429]);
    await codeFor(who, 10);
    expect(server.received.filter(({ to }) => to.includes(who.email))).toHaveLength(10);
  });

  it('is refused with the true time after which the same request succeeds, or without one', async () => {
    const who = await seedAsked();
    // The first pause ends early enough for another code, the second one does not.
    clock.forward(421);
    expect((await start(who)).status).toBe(200);
    clock.forward(59);
    expect((await start(who)).headers['retry-after']).toBe('1');
    clock.forward(1);
    expect((await start(who)).status).toBe(200);
    expect((await start(who)).headers['retry-after']).toBeUndefined();
  });

  it('is mailed again in the same challenge once the hour is over, as its Retry-After says', async () => {
    const who = await seedAsked();
    const begin = async () => ({
      challengeId: (await attemptLogin(app, who, ABROAD)).body.challengeId as string,
    });
    for (let mail = 0; mail < 10; mail += 1) {
      expect((await start(await begin())).status).toBe(200);
      clock.forward(1);
    }
    // The wait is too long for a challenge, which ends before.
    const early = await start(await begin());
    expectRefusal(early, [429]);
    expect(early.headers['retry-after']).toBeUndefined();
    clock.forward(3600 - 10 - 300);
    const late = await begin();
    const refused = await start(late);
    expectRefusal(refused, [429]);
    expect(refused.headers['retry-after']).toBe('300');
    clock.forward(299);
    expectRefusal(await start(late), [429]);
    clock.forward(1);
    expect((await start(late)).status).toBe(200);
  });

  it('is mailed once where many ask for it at a time', async () => {
    const who = await seedAsked();
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => start(who)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('is mailed ten times an hour also where many challenges ask for it at a time', async () => {
    const who = await seedAsked();
    const challenges: { challengeId: string }[] = [];
    for (let next = 0; next < 14; next += 1) {
      challenges.push((await attemptLogin(app, who, ABROAD)).body as { challengeId: string });
    }
    const answers = await Promise.all(challenges.map((challenge) => start(challenge)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(10);
  });

  it('has five tries, as any other', async () => {
    const who = await seedAsked();
    await start(who);
    const code = await codeFor(who);
    for (let guess = 0; guess < 5; guess += 1) {
      expect((await verify(who, wrongFor(code))).status).toBe(403);
    }
    expectRefusal(await verify(who, code), [429]);
  });

  it('lies in no table in any readable form, and in no log', async () => {
    const who = await seedAsked();
    await start(who);
    const code = await codeFor(who);
    expect(await tablesHolding(`"${code}"`)).toStrictEqual([]);
    expect(await tablesHolding(`  ${code}`)).toStrictEqual([]);
    expect(log.join('')).not.toMatch(new RegExp(`\\b${code}\\b`));
  });

  it('names the tenant, and says what to do where nobody asked for it', async () => {
    const who = await seedAsked();
    await start(who);
    const code = await codeFor(who);
    const mail = server.received.find(({ to }) => to.includes(who.email));
    expect(mail?.text).toContain('If you did not ask for the code');
    expect(mail?.headers.get('subject')).toMatch(/^Your code for Tenant /);
    expect(mail?.headers.get('subject')).not.toContain(code);
  });
});

describe('where no mail can be sent', () => {
  it('nobody is promised one: the answer says that no factor is enrolled, and what to do', async () => {
    const settings = { ...server.settings(), smtp: undefined };
    const silent = buildApp({ mail: settings, nodeEnv: 'production', production: true }, { clock });
    const member = await seedTraveller(silent.app, { factor: false });
    const { body } = await attemptLogin(silent.app, member, ABROAD);
    expect(body).toMatchObject({ methods: [], reason: 'NO_FACTOR_ENROLLED' });
    expectRefusal(await start({ challengeId: body.challengeId as string }, silent.app), [409]);
  });
});
