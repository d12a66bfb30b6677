import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import request from 'supertest';
import type { Response } from 'supertest';
import { db } from '@/server/db';
import { failedAttempts } from '@/server/db/schema';
import { ERRORS } from '@/server/errors';
import type { ErrorCode } from '@/server/errors';
import { fromAddress, login, refresh } from '@/tests/helpers/http/authCalls';
import { withoutTable } from '@/tests/helpers/database/authRows';
import { closeLater } from '@/tests/helpers/server/closing';
import { openNode } from '@/tests/helpers/server/openNode';
import type { Node } from '@/tests/helpers/server/openNode';
import { codeAt, giveFactor, wrongCodes } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { startTcpProxy } from '@/tests/helpers/http/tcpProxy';

const WRONG = 'not the right password';
const nobody = () => ({ email: `nobody-${randomUUID()}@example.com`, password: WRONG });

/**
 * A request that is refused, and a function that removes the cause, as far as time alone does not.
 */
interface Scene {
  node: Node;
  refused: Response;
  mend?: () => Promise<void> | void;
  again: () => Promise<Response>;
  /** The statuses that count as success, because the request was processed. */
  succeeds: number[];
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

const verifyCode = (node: Node, body: object, headers: Record<string, string> = {}) =>
  request(node.app)
    .post('/api/security/step-up/verify')
    .set(headers)
    .send({ purpose: 'security_settings', ...body });

async function addressPastItsBudget(): Promise<Scene> {
  const node = openNode((config) => ({
    ...config,
    loginFailures: { ...config.loginFailures, perIp: 2 },
  }));
  node.clock.stop();
  const again = () => login(node.app, nobody(), fromAddress('203.0.113.77')).then((res) => res);
  await again();
  node.clock.advance(100);
  await again();
  return { node, refused: await again(), again, succeeds: [401] };
}

async function codesPastTheirBudget(): Promise<Scene> {
  const node = openNode();
  node.clock.stop();
  const member = await seedTestUserAndToken();
  const secret = await giveFactor(member);
  const headers = bearer(member.accessToken);
  const answer = async (code: string) => {
    const asked = await request(node.app).post('/api/security/recovery-codes').set(headers);
    return verifyCode(node, { code, challengeId: asked.body.challengeId }, headers);
  };
  for (const code of wrongCodes(secret, node.clock.now(), 10)) await answer(code);
  const again = () => answer(codeAt(secret, node.clock.now()));
  return { node, refused: await again(), again, succeeds: [200] };
}

async function codesOfBegunLoginsPastTheirBudget(): Promise<Scene> {
  const node = openNode();
  node.clock.stop();
  const { email } = nobody();
  const begin = () => request(node.app).post('/api/auth/login/begin').send({ email });
  const { challengeId } = (await begin()).body;
  for (let guess = 0; guess < 5; guess += 1) {
    await verifyCode(node, { code: `00000${guess}`, challengeId });
  }
  const again = async () =>
    verifyCode(node, { code: '000009', challengeId: (await begin()).body.challengeId });
  return { node, refused: await again(), again, succeeds: [403] };
}

async function enrolmentsPastTheirBound(): Promise<Scene> {
  const node = openNode();
  node.clock.stop();
  const { accessToken } = await seedTestUserAndToken();
  const again = () =>
    request(node.app)
      .post('/api/security/totp/enroll')
      .set(bearer(accessToken))
      .then((res) => res);
  for (let begun = 0; begun < 10; begun += 1) await again();
  return { node, refused: await again(), again, succeeds: [200] };
}

async function hashesBusy(): Promise<Scene> {
  const node = openNode((config) => ({ ...config, hashConcurrency: 1, hashQueueLimit: 1 }));
  const crowd = await Promise.all(Array.from({ length: 20 }, () => login(node.app, nobody())));
  const refused = crowd.find(({ status }) => status === 503);
  if (!refused) throw new Error('the queue was long enough');
  return { node, refused, again: () => login(node.app, nobody()).then((r) => r), succeeds: [401] };
}

async function databaseGone(): Promise<Scene> {
  const proxy = await startTcpProxy(process.env['DATABASE_URL'] ?? '');
  closeLater(() => proxy.close());
  const node = openNode((config) => ({ ...config, databaseUrl: proxy.url }));
  const member = await seedTestUserAndToken();
  const again = () => login(node.app, member).then((res) => res);
  proxy.set('refuse');
  return {
    node,
    refused: await again(),
    mend: () => proxy.set('forward'),
    again,
    succeeds: [200],
  };
}

async function tableGone(): Promise<Scene> {
  const node = openNode();
  const { refreshToken } = await seedTestUserAndToken();
  const again = () => refresh(node.app, refreshToken).then((res) => res);
  let refused: Response | undefined;
  await withoutTable('refresh_tokens', async () => {
    refused = await again();
  });
  return { node, refused: refused as Response, again, succeeds: [200] };
}

/**
 * Moves only the counters back in time, because access tokens and challenges live for less than a
 * window.
 */
const age = (seconds: number) =>
  db.update(failedAttempts).set({
    windowStartedAt: sql`${failedAttempts.windowStartedAt} - make_interval(secs => ${seconds})`,
  });

/** For each error code, every way to get it that a client can wait out. */
const WAITED_OUT: Partial<Record<ErrorCode, Record<string, () => Promise<Scene>>>> = {
  TOO_MANY_ATTEMPTS: {
    'an address past its budget': addressPastItsBudget,
    'codes past their budget': codesPastTheirBudget,
    'codes of begun logins past their budget': codesOfBegunLoginsPastTheirBudget,
    'too many enrolments begun': enrolmentsPastTheirBound,
  },
  HASHING_BUSY: { 'too many logins at once': hashesBusy },
  DATABASE_UNAVAILABLE: { 'a database that is gone': databaseGone },
  SCHEMA_UNAVAILABLE: { 'a table that is gone': tableGone },
};

/** Codes that are not waited out here, with the reason. */
const ELSEWHERE: Partial<Record<ErrorCode, string>> = {
  CHALLENGE_EXHAUSTED: 'no time helps: see below',
  EXPORT_BUSY: 'tests/compliance/exportPlaces.test.ts',
  SIMULATION_BUSY: 'tests/simulationLine.test.ts',
  AUDIT_LOG_BUSY: 'tests/audit/log/sealingBeside.test.ts',
  RATE_LIMITED: 'tests/limits/rateLimits.test.ts',
  TOO_MANY_SSO_ATTEMPTS: 'tests/sso/openAttempts.test.ts',
  IP_RULES_UNAVAILABLE: 'tests/ipRules/ruleMemory.test.ts',
  KEY_UNAVAILABLE: 'tests/security/stepUp/totpCodes.test.ts',
};

const waitedOut = Object.entries(ERRORS).filter(([, { status }]) => [429, 503].includes(status));

beforeEach(async () => {
  await db.delete(failedAttempts);
});

describe('Retry-After', () => {
  it.each(waitedOut)('of %s is tested', (code) => {
    const known = WAITED_OUT[code as ErrorCode] ?? ELSEWHERE[code as ErrorCode];
    expect(known).toBeDefined();
  });

  it.each(
    Object.entries(WAITED_OUT).flatMap(([code, scenes]) =>
      Object.entries(scenes).map(([what, make]) => ({ code, what, make })),
    ),
  )('is the time after which the same request succeeds: $code, $what', async ({ code, make }) => {
    const { node, refused, mend, again, succeeds } = await make();
    expect(refused.body.error).toBe(code);
    const seconds = Number(refused.headers['retry-after']);
    expect(seconds).toBeGreaterThan(0);
    await mend?.();
    if (code === 'TOO_MANY_ATTEMPTS') {
      // It must not succeed earlier: the time must be exact, and not just long enough.
      await age(seconds - 2);
      expect((await again()).body.error).toBe(code);
      await age(2);
    } else node.clock.advance(seconds);
    expect(succeeds).toContain((await again()).status);
  });

  it('is left out if no time helps, and the detail says what to do', async () => {
    const node = openNode();
    const { challengeId } = (
      await request(node.app).post('/api/auth/login/begin').send({ email: nobody().email })
    ).body;
    const tell = () => verifyCode(node, { code: '000000', challengeId });
    for (let guess = 0; guess < 5; guess += 1) await tell();
    const exhausted = await tell();
    expect(exhausted.body.error).toBe('CHALLENGE_EXHAUSTED');
    expect(exhausted.headers['retry-after']).toBeUndefined();
    expect(exhausted.body.detail).toBe('Begin the login again.');
  });
});
