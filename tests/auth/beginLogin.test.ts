import { randomUUID } from 'node:crypto';
import type * as Argon2 from 'argon2';
import { verify } from 'argon2';
import { eq } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { failedAttempts, users } from '@/server/db/schema';
import { fromAddress, login } from '@/tests/helpers/http/authCalls';
import { auditOf, challengesOf } from '@/tests/helpers/database/authRows';
import type { Node } from '@/tests/helpers/server/openNode';
import { codeAt, giveFactor, wrongCodes } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { ABROAD, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import { visibleAnswer } from '@/tests/helpers/http/visibleAnswer';
import { answer, begin, openPatientNode } from '@/tests/helpers/stepUp/begunLogins';
import { lockedMember as closedMember } from '@/tests/helpers/stepUp/begunLogins';

jest.mock('argon2', () => {
  const actual = jest.requireActual<typeof Argon2>('argon2');
  return { ...actual, verify: jest.fn(actual.verify) };
});

const verifications = jest.mocked(verify);
const WRONG = 'not the right password';
const WINDOW_SEC = 15 * 60;

async function evaluatedOf({ userId }: SeededAuth): Promise<number> {
  const [row] = await db.select().from(users).where(eq(users.id, userId));
  const found = verifications.mock.calls.filter(([hash]) => hash === row?.passwordHash).length;
  verifications.mockClear();
  return found;
}

/** Creates a locked member. The verifications that locked the account are not counted. */
async function lockedMember(node: Node) {
  const closed = await closedMember(node);
  verifications.mockClear();
  return closed;
}

beforeEach(async () => {
  await db.delete(failedAttempts);
  verifications.mockClear();
});

describe('somebody whose account others guess at', () => {
  it('gets in from anywhere by showing the factor first, and the password after it', async () => {
    const node = openPatientNode();
    const { member, secret } = await lockedMember(node);
    const { body } = await begin(node, member.email);
    const verified = await answer(node, body.challengeId, codeAt(secret, node.clock.now()));
    expect({ status: verified.status, ...verified.body }).toMatchObject({
      status: 200,
      verified: true,
      purpose: 'security_settings',
      method: 'totp',
    });
    const res = await login(node.app, { ...member, challengeId: body.challengeId });
    expect(res.status).toBe(200);
    const [event] = await auditOf('AUTH_LOGIN_SUCCEEDED', member.tenantId);
    expect(event?.details).toMatchObject({ stepUp: true });
    // The counters were reset.
    expect((await login(node.app, member, fromAddress('192.0.2.7'))).status).toBe(200);
  });

  it('gets in by the cookies of a browser alone', async () => {
    const node = openPatientNode();
    const { member, secret } = await lockedMember(node);
    const agent = request.agent(node.app);
    await agent.post('/api/auth/login/begin').send({ email: member.email });
    const code = codeAt(secret, node.clock.now());
    const verified = await agent
      .post('/api/security/step-up/verify')
      .send({ code, purpose: 'security_settings' });
    expect(verified.status).toBe(200);
    const { email, password } = member;
    expect((await agent.post('/api/auth/login').send({ email, password })).status).toBe(200);
  });

  it('is not let in by the factor without the password, nor by login/complete', async () => {
    const node = openPatientNode();
    const { member, secret } = await lockedMember(node);
    const { challengeId } = (await begin(node, member.email)).body;
    await answer(node, challengeId, codeAt(secret, node.clock.now()));
    const completed = await request(node.app)
      .post('/api/auth/login/complete')
      .send({ challengeId });
    expect({ status: completed.status, error: completed.body.error }).toStrictEqual({
      status: 404,
      error: 'CHALLENGE_NOT_FOUND',
    });
    const wrong = await login(node.app, { ...member, password: WRONG, challengeId });
    expect(wrong.status).toBe(401);
    expect((await login(node.app, { ...member, challengeId })).status).toBe(200);
    // It is used up, because it lets only one login through.
    expect(await challengesOf(member.staffId)).toMatchObject([{ passwordDue: true }]);
  });

  it('has the password looked at only after the factor, and then eight times at most', async () => {
    const node = openPatientNode();
    const { member, secret } = await lockedMember(node);
    const { challengeId } = (await begin(node, member.email)).body;
    await login(node.app, { ...member, challengeId });
    expect(await evaluatedOf(member)).toBe(0);
    await answer(node, challengeId, codeAt(secret, node.clock.now()));
    const guesses = Array.from({ length: 30 }, () =>
      login(node.app, { ...member, password: WRONG, challengeId }),
    );
    await Promise.all(guesses);
    expect(await evaluatedOf(member)).toBe(8);
  });

  it("is not let in by somebody else's factor", async () => {
    const node = openPatientNode();
    const { member } = await lockedMember(node);
    const thief = await seedTestUserAndToken();
    const secret = await giveFactor(thief);
    const { challengeId } = (await begin(node, thief.email)).body;
    await answer(node, challengeId, codeAt(secret, node.clock.now()));
    expect((await login(node.app, { ...member, challengeId })).status).toBe(401);
    expect(await evaluatedOf(member)).toBe(0);
  });
});

describe('a begun login', () => {
  it('answers alike for an address that exists, one that does not, and one that is locked', async () => {
    const node = openPatientNode();
    const { member } = await lockedMember(node);
    const plain = await seedTestUserAndToken();
    const emails = [member.email, plain.email, `nobody-${randomUUID()}@example.com`];
    const answers = [];
    for (const email of emails) {
      const res = await begin(node, email);
      const { challengeId, ...body } = res.body;
      expect(Date.parse(body.expiresAt)).toBeGreaterThan(node.clock.now().getTime());
      answers.push({ ...body, expiresAt: '', length: challengeId.length, status: res.status });
    }
    const alike = {
      status: 200,
      purpose: 'security_settings',
      methods: ['totp', 'recovery_code'],
      expiresAt: '',
      length: 184,
    };
    expect(answers).toStrictEqual([alike, alike, alike]);
  });

  it('counts wrong codes down and ends after five, alike for an account and for none', async () => {
    const node = openPatientNode();
    const { member, secret } = await lockedMember(node);
    const codes = wrongCodes(secret, node.clock.now(), 6);
    const tell = async (email: string, address: string) => {
      const { challengeId } = (await begin(node, email)).body;
      const told = [];
      for (const code of codes) {
        const res = await answer(node, challengeId, code, fromAddress(address));
        told.push({ ...visibleAnswer(res), text: { ...res.body, correlationId: '' } });
      }
      return told;
    };
    const real = await tell(member.email, '192.0.2.10');
    const none = await tell(`nobody-${randomUUID()}@example.com`, '192.0.2.11');
    expect(real).toStrictEqual(none);
    expect(real.map(({ status }) => status)).toStrictEqual([403, 403, 403, 403, 403, 429]);
    expect(real[0]?.text).toMatchObject({ error: 'INVALID_CODE', attemptsLeft: 4 });
    expect(real[5]?.text).toMatchObject({ error: 'CHALLENGE_EXHAUSTED' });
  });

  it('has ten codes looked at since the last success, however many are sent at once from everywhere', async () => {
    const node = openPatientNode();
    const { member, secret } = await lockedMember(node);
    const codes = wrongCodes(secret, node.clock.now(), 5);
    let looked = 0;
    for (let window = 0; window < 3; window += 1) {
      const burst = Array.from({ length: 8 }, async (_, number) => {
        const { challengeId } = (await begin(node, member.email)).body;
        const from = fromAddress(`192.0.2.${20 + number}`);
        return Promise.all(codes.map((code) => answer(node, challengeId, code, from)));
      });
      const answers = (await Promise.all(burst)).flat();
      looked += answers.filter(({ body }) => body.error === 'INVALID_CODE').length;
      node.clock.advance(WINDOW_SEC + 1);
    }
    expect(looked).toBe(10);
    // People who know the password have their own count of codes, which nobody else can use up.
    const { challengeId } = (await begin(node, member.email)).body;
    const closed = await answer(node, challengeId, codeAt(secret, node.clock.now()));
    expect({ status: closed.status, error: closed.body.error }).toStrictEqual({
      status: 429,
      error: 'TOO_MANY_ATTEMPTS',
    });
    expect(closed.headers['retry-after']).toBeUndefined();
    expect(closed.body.detail).toMatch(/operator/);
  });

  /** Uses up the tries that strangers have, from all addresses together. */
  async function closeBegun(node: Node, { email }: SeededAuth, secret: string) {
    const codes = wrongCodes(secret, node.clock.now(), 5);
    for (const address of ['192.0.2.30', '192.0.2.31']) {
      const { challengeId } = (await begin(node, email)).body;
      for (const code of codes) {
        expect((await answer(node, challengeId, code, fromAddress(address))).status).toBe(403);
      }
    }
    expect((await beginAndShow(node, email, secret)).status).toBe(429);
  }

  async function beginAndShow(node: Node, email: string, secret: string) {
    const { challengeId } = (await begin(node, email)).body;
    return answer(node, challengeId, codeAt(secret, node.clock.now()), fromAddress('192.0.2.32'));
  }

  it('that strangers have closed opens again when its owner signs in with the password', async () => {
    const node = openPatientNode();
    const member = await seedTestUserAndToken();
    const secret = await giveFactor(member);
    await closeBegun(node, member, secret);
    expect((await login(node.app, { ...member, password: WRONG })).status).toBe(401);
    node.clock.advance(WINDOW_SEC + 1);
    expect((await beginAndShow(node, member.email, secret)).status).toBe(429);
    expect((await login(node.app, member)).status).toBe(200);
    expect((await beginAndShow(node, member.email, secret)).status).toBe(200);
  });

  it.each(['/api/auth/login', '/api/auth/login/complete'])(
    'that strangers have closed opens again at %s after a proof, and not before',
    async (path) => {
      const node = openPatientNode();
      const traveller = await seedTraveller(node.app);
      const { email, password, secret } = traveller;
      await closeBegun(node, traveller, secret);
      const { challengeId } = (await attemptLogin(node.app, traveller, ABROAD)).body;
      node.clock.advance(61);
      const proven = await answer(node, challengeId, codeAt(secret, node.clock.now()), ABROAD);
      expect(proven.status).toBe(200);
      expect((await beginAndShow(node, email, secret)).status).toBe(429);
      const send = path.endsWith('complete') ? { challengeId } : { email, password, challengeId };
      expect((await request(node.app).post(path).set(ABROAD).send(send)).status).toBe(200);
      node.clock.advance(61);
      expect((await beginAndShow(node, email, secret)).status).toBe(200);
    },
  );

  it('waits in no circle with logins and proofs of the same person at once', async () => {
    const nodes = [openPatientNode(), openPatientNode()];
    const [node, other] = nodes as [Node, Node];
    const member = await seedTestUserAndToken();
    const secret = await giveFactor(member);
    const [wrong] = wrongCodes(secret, node.clock.now(), 1);
    for (let round = 0; round < 6; round += 1) {
      for (const one of nodes) one.clock.advance(61);
      const { challengeId } = (await begin(node, member.email)).body;
      await answer(node, challengeId, wrong ?? '');
      const [shown, ...logins] = await Promise.all([
        answer(node, challengeId, codeAt(secret, node.clock.now())),
        ...Array.from({ length: 6 }, (_, at) => login((at % 2 ? node : other).app, member)),
      ]);
      expect(shown.status).toBe(200);
      expect(logins.map(({ status }) => status)).toStrictEqual(logins.map(() => 200));
    }
  });

  it('is ended by whatever ends the sessions, and by ten minutes', async () => {
    const node = openPatientNode();
    const { member, secret } = await lockedMember(node);
    const { challengeId } = (await begin(node, member.email)).body;
    await answer(node, challengeId, codeAt(secret, node.clock.now()));
    await request(node.app)
      .post('/api/auth/logout-all')
      .set('authorization', `Bearer ${member.accessToken}`);
    expect((await login(node.app, { ...member, challengeId })).status).toBe(401);
    const early = (await begin(node, member.email)).body;
    node.clock.advance(601);
    const late = await answer(node, early.challengeId, codeAt(secret, node.clock.now()));
    expect(late.status).toBe(404);
  });

  it('that was forged or altered is none', async () => {
    const node = openPatientNode();
    const { challengeId } = (await begin(node, 'x@example.com')).body as { challengeId: string };
    const altered = `${challengeId.slice(0, -2)}AA`;
    for (const forged of [altered, `chl_${'A'.repeat(159)}`, `${challengeId}=`]) {
      expect((await answer(node, forged, '123456')).status).toBe(404);
    }
  });
});
