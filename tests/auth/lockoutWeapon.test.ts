import { randomUUID } from 'node:crypto';
import type * as Argon2 from 'argon2';
import { hash, verify } from 'argon2';
import { eq } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { failedAttempts, knownAddresses, users } from '@/server/db/schema';
import {
  BEGUN_LOGIN_TRIES,
  STEP_UP_TRIES,
  TRIES_AFTER_FACTOR,
  TRIES_FOR_KNOWN_DEVICES,
  TRIES_FOR_KNOWN_NETWORKS,
  TRIES_FOR_STRANGERS,
} from '@/server/security/risk/attempts';
import { cookieOf, fromAddress, login } from '@/tests/helpers/http/authCalls';
import { openNode } from '@/tests/helpers/server/openNode';
import type { Node } from '@/tests/helpers/server/openNode';
import { codeAt, giveFactor, wrongCodes } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { visibleAnswer } from '@/tests/helpers/http/visibleAnswer';

jest.mock('argon2', () => {
  const actual = jest.requireActual<typeof Argon2>('argon2');
  return { ...actual, verify: jest.fn(actual.verify) };
});

const verifications = jest.mocked(verify);
const WRONG = 'not the right password';
const WINDOW_SEC = 15 * 60;
const HOME = fromAddress('198.51.100.20');
const AWAY = fromAddress('203.0.113.20');
const STRANGER = fromAddress('192.0.2.20');

const openLimitedNode = (limits: Partial<Node['deps']['config']['loginFailures']> = {}) =>
  openNode((config) => ({
    ...config,
    loginFailures: { ...config.loginFailures, perIp: 100_000, ...limits },
  }));

const failTimes = async (node: Node, who: { email: string }, times: number, headers = {}) => {
  for (let failure = 0; failure < times; failure += 1) {
    await login(node.app, { ...who, password: WRONG }, headers);
  }
};

async function takeEvaluated({ userId }: SeededAuth): Promise<number> {
  const [row] = await db.select().from(users).where(eq(users.id, userId));
  const found = verifications.mock.calls.filter(([one]) => one === row?.passwordHash).length;
  verifications.mockClear();
  return found;
}

const takeCosts = () => {
  const costs = verifications.mock.calls.map(([one]) => one.split('$').slice(1, 4).join('$'));
  verifications.mockClear();
  return costs;
};

beforeEach(async () => {
  await db.delete(failedAttempts);
  verifications.mockClear();
});

describe('an account that strangers have closed', () => {
  it('opens to its owner without any cookie, at an address block they have signed in from', async () => {
    const node = openLimitedNode();
    const owner = await seedTestUserAndToken();
    expect((await login(node.app, owner, HOME)).status).toBe(200);
    await failTimes(node, owner, 12, STRANGER);
    expect((await login(node.app, owner, AWAY)).status).toBe(401);
    expect((await login(node.app, owner, HOME)).status).toBe(200);
  });

  it('has tries of its own at such an address, and no more than twelve', async () => {
    const node = openLimitedNode();
    const owner = await seedTestUserAndToken();
    await login(node.app, owner, HOME);
    await failTimes(node, owner, 10, STRANGER);
    await takeEvaluated(owner);
    await failTimes(node, owner, 14, HOME);
    expect(await takeEvaluated(owner)).toBe(10);
    node.clock.advance(WINDOW_SEC + 1);
    await failTimes(node, owner, 10, STRANGER);
    await takeEvaluated(owner);
    await failTimes(node, owner, 14, HOME);
    expect(await takeEvaluated(owner)).toBe(2);
  });

  it('stays closed at an address that only somebody else has signed in from', async () => {
    const node = openLimitedNode();
    const [owner, colleague] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    await login(node.app, colleague, AWAY);
    await failTimes(node, owner, 10, STRANGER);
    verifications.mockClear();
    expect((await login(node.app, owner, AWAY)).status).toBe(401);
    expect(await takeEvaluated(owner)).toBe(0);
  });

  it('remembers the address with the session that taught it, as a keyed hash', async () => {
    const node = openLimitedNode();
    const owner = await seedTestUserAndToken();
    const { sessionId } = (await login(node.app, owner, HOME)).body;
    const rows = await db
      .select()
      .from(knownAddresses)
      .where(eq(knownAddresses.staffId, owner.staffId));
    expect(rows).toMatchObject([
      { sessionId, addressHash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
  });
});

describe('passwords and codes of one account', () => {
  const SHARES = [
    TRIES_FOR_STRANGERS,
    TRIES_FOR_KNOWN_DEVICES,
    TRIES_FOR_KNOWN_NETWORKS,
    TRIES_AFTER_FACTOR,
    BEGUN_LOGIN_TRIES,
    STEP_UP_TRIES,
  ];

  it('have shares that make fewer than 100 together', () => {
    expect(SHARES.reduce((sum, share) => sum + share, 0)).toBeLessThan(100);
  });

  it('are looked at fewer than 100 times in all, in hundreds of guesses of every kind at once', async () => {
    const nodes = [openLimitedNode({ perAccount: 50 }), openLimitedNode({ perAccount: 50 })];
    const [node] = nodes as [Node, Node];
    const owner = await seedTestUserAndToken();
    const secret = await giveFactor(owner);
    const first = await login(node.app, owner, HOME);
    const device = { cookie: cookieOf(first, 'gh_device') };
    const begin = (at: Node) =>
      request(at.app).post('/api/auth/login/begin').send({ email: owner.email });
    const verifyCode = (at: Node, body: object, headers: Record<string, string> = {}) =>
      request(at.app)
        .post('/api/security/step-up/verify')
        .set(headers)
        .send({ purpose: 'security_settings', ...body });
    const shown = (await begin(node)).body.challengeId;
    const code = codeAt(secret, node.clock.now());
    expect((await verifyCode(node, { challengeId: shown, code })).status).toBe(200);
    verifications.mockClear();
    const bearer = { authorization: `Bearer ${first.body.accessToken}` };
    let codes = 0;
    let passwords = 0;
    for (let round = 0; round < 3; round += 1) {
      const wrong = wrongCodes(secret, node.clock.now(), 20);
      for (const at of nodes) {
        const { challengeId } = (await begin(at)).body;
        const guesses = [
          ...[STRANGER, { ...AWAY, ...device }, HOME].flatMap((headers) =>
            Array.from({ length: 15 }, () => login(at.app, { ...owner, password: WRONG }, headers)),
          ),
          ...Array.from({ length: 10 }, () =>
            login(at.app, { ...owner, password: WRONG, challengeId: shown }, AWAY),
          ),
          ...wrong.map((one, number) =>
            verifyCode(at, { challengeId, code: one }, fromAddress(`192.0.2.${100 + number}`)),
          ),
          ...wrong.map((one) => verifyCode(at, { code: one }, bearer)),
        ];
        const answers = await Promise.all(guesses);
        codes += answers.filter(({ body }) => body.error === 'INVALID_CODE').length;
        expect(answers.filter(({ status }) => status === 200)).toHaveLength(0);
        passwords += await takeEvaluated(owner);
      }
      for (const { clock } of nodes) clock.advance(WINDOW_SEC + 1);
    }
    expect(passwords).toBeGreaterThan(40);
    expect(passwords + codes).toBeLessThan(100);
  });
});

describe('what a stranger can learn', () => {
  const ask = async (node: Node, email: string, headers: Record<string, string>) => {
    verifications.mockClear();
    const res = await login(node.app, { email, password: WRONG }, headers);
    return { answer: visibleAnswer(res), work: takeCosts() };
  };

  it("is the same for an account and for none, with the device cookie of a stranger's own account", async () => {
    const node = openLimitedNode({ perIp: 15 });
    // The clock stops, so that compared answers have the same second.
    node.clock.stop();
    const [owner, stranger] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    const cookie = cookieOf(await login(node.app, stranger, AWAY), 'gh_device');
    const nobody = `nobody-${randomUUID()}@example.com`;
    for (let number = 0; number < 17; number += 1) {
      const real = await ask(node, owner.email, { ...fromAddress('203.0.113.31'), cookie });
      const none = await ask(node, nobody, { ...fromAddress('203.0.113.32'), cookie });
      expect(real).toStrictEqual(none);
      expect(real.answer.status).toBe(number < 15 ? 401 : 429);
    }
  });

  it('is the same for an account at its own address once it is past its budget', async () => {
    const node = openLimitedNode({ perIp: 12 });
    node.clock.stop();
    const owner = await seedTestUserAndToken();
    await login(node.app, owner, HOME);
    await failTimes(node, { email: `nobody-${randomUUID()}@example.com` }, 12, HOME);
    const real = await ask(node, owner.email, HOME);
    const none = await ask(node, `nobody-${randomUUID()}@example.com`, HOME);
    expect(real.answer.status).toBe(429);
    expect(real).toStrictEqual(none);
  });

  it('is the same work after the cost of hashes was raised: one for each cost that is in use', async () => {
    const cheap = await seedTestUserAndToken();
    const dearer = await hash(cheap.password, { memoryCost: 2048, timeCost: 2, parallelism: 1 });
    const other = await seedTestUserAndToken();
    await db.update(users).set({ passwordHash: dearer }).where(eq(users.id, other.userId));
    const node = openNode((config) => ({ ...config, argon2: { memoryKib: 4096, timeCost: 1 } }));
    const nobody = await ask(node, `nobody-${randomUUID()}@example.com`, STRANGER);
    expect(nobody.work).toHaveLength(3);
    expect(new Set(nobody.work).size).toBe(3);
    expect(await ask(node, cheap.email, STRANGER)).toStrictEqual(nobody);
    expect(await ask(node, other.email, STRANGER)).toStrictEqual(nobody);
    expect((await login(node.app, other, STRANGER)).status).toBe(200);
  });
});
