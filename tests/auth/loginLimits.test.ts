import type * as Argon2 from 'argon2';
import { verify } from 'argon2';
import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { failedAttempts, users } from '@/server/db/schema';
import { TRIES_FOR_KNOWN_DEVICES, TRIES_FOR_STRANGERS } from '@/server/security/risk/attempts';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { cookieOf, fromAddress, login } from '@/tests/helpers/http/authCalls';
import { liveSessionsOf } from '@/tests/helpers/database/authRows';
import { openNode } from '@/tests/helpers/server/openNode';
import type { Node } from '@/tests/helpers/server/openNode';
import { visibleAnswer } from '@/tests/helpers/http/visibleAnswer';

jest.mock('argon2', () => {
  const actual = jest.requireActual<typeof Argon2>('argon2');
  return { ...actual, verify: jest.fn(actual.verify) };
});

const verifications = jest.mocked(verify);
const SHARES = TRIES_FOR_STRANGERS + TRIES_FOR_KNOWN_DEVICES;
const WINDOW_SEC = 15 * 60;
const WRONG = 'not the right password';

type Limits = Partial<Node['deps']['config']['loginFailures']>;

const openLimitedNode = (limits: Limits = {}) =>
  openNode((config) => ({
    ...config,
    loginFailures: { ...config.loginFailures, perIp: 100_000, ...limits },
  }));

/** Returns how often a password was compared with this account's own hash since the last call. */
async function takeEvaluated({ userId }: SeededAuth): Promise<number> {
  const [row] = await db.select().from(users).where(eq(users.id, userId));
  const evaluated = verifications.mock.calls.filter(([hash]) => hash === row?.passwordHash);
  verifications.mockClear();
  return evaluated.length;
}

const failTimes = async (node: Node, who: SeededAuth, times: number, headers = {}) => {
  for (let failure = 0; failure < times; failure += 1) {
    expect((await login(node.app, { ...who, password: WRONG }, headers)).status).toBe(401);
  }
};

/** Signs in from an address of its own, so that the other addresses stay unknown. */
const deviceOf = async (node: Node, who: SeededAuth) => ({
  cookie: cookieOf(await login(node.app, who, fromAddress('198.51.100.7')), 'gh_device'),
});

beforeEach(async () => {
  await db.delete(failedAttempts);
  verifications.mockClear();
});

describe('an account that strangers guess at', () => {
  it('takes nine failures and then still lets the right password in', async () => {
    const node = openLimitedNode();
    const owner = await seedTestUserAndToken();
    await failTimes(node, owner, 9);
    expect((await login(node.app, owner)).status).toBe(200);
  });

  it('refuses strangers after ten failures, unevaluated, even with the right password', async () => {
    const node = openLimitedNode();
    const owner = await seedTestUserAndToken();
    await failTimes(node, owner, 10);
    expect(await takeEvaluated(owner)).toBe(10);
    const res = await login(node.app, owner, fromAddress('192.0.2.7'));
    expect(res.status).toBe(401);
    expect(res.body).toStrictEqual({ error: 'INVALID_CREDENTIALS' });
    expect(await takeEvaluated(owner)).toBe(0);
    expect(await liveSessionsOf(owner.staffId)).toHaveLength(1);
  });

  it('counts on every node alike', async () => {
    const [one, other] = [openLimitedNode(), openLimitedNode()];
    const owner = await seedTestUserAndToken();
    await failTimes(one, owner, 5);
    await failTimes(other, owner, 5);
    expect((await login(one.app, owner)).status).toBe(401);
  });

  it('lets its owner in meanwhile from a device that it knows', async () => {
    const node = openLimitedNode();
    const owner = await seedTestUserAndToken();
    const device = await deviceOf(node, owner);
    await failTimes(node, owner, 12);
    expect((await login(node.app, owner)).status).toBe(401);
    expect((await login(node.app, owner, device)).status).toBe(200);
  });

  it("is not opened by somebody else's device cookie or a forged one", async () => {
    const node = openLimitedNode();
    const [owner, stranger] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    const device = await deviceOf(node, owner);
    const foreign = await deviceOf(node, stranger);
    await failTimes(node, owner, 10);
    const forged = {
      cookie: `${device.cookie.slice(0, -1)}${device.cookie.endsWith('A') ? 'B' : 'A'}`,
    };
    verifications.mockClear();
    expect((await login(node.app, owner, foreign)).status).toBe(401);
    expect((await login(node.app, owner, forged)).status).toBe(401);
    expect(await takeEvaluated(owner)).toBe(0);
  });

  it('opens to everybody again when the window has passed', async () => {
    const node = openLimitedNode();
    const owner = await seedTestUserAndToken();
    await failTimes(node, owner, 10);
    node.clock.advance(WINDOW_SEC - 60);
    expect((await login(node.app, owner)).status).toBe(401);
    node.clock.advance(61);
    expect((await login(node.app, owner)).status).toBe(200);
  });

  it('never has more tries evaluated than its shares, however patient the guessers are', async () => {
    const node = openLimitedNode({ perAccount: 45 });
    const owner = await seedTestUserAndToken();
    const device = await deviceOf(node, owner);
    verifications.mockClear();
    let evaluated = 0;
    for (let window = 0; window < 3; window += 1) {
      await failTimes(node, owner, 46);
      evaluated += await takeEvaluated(owner);
      node.clock.advance(WINDOW_SEC + 1);
    }
    await failTimes(node, owner, 25, device);
    evaluated += await takeEvaluated(owner);
    // Both shares were used up exactly: the limit was reached and not exceeded.
    expect(evaluated).toBe(SHARES);
    expect((await login(node.app, owner)).status).toBe(401);
    expect((await login(node.app, owner, device)).status).toBe(401);
    expect(await takeEvaluated(owner)).toBe(0);
  });

  it('never has more tries evaluated than its shares, however many arrive at once on two nodes', async () => {
    const nodes = [openLimitedNode({ perAccount: 50 }), openLimitedNode({ perAccount: 50 })];
    const owner = await seedTestUserAndToken();
    const device = await deviceOf(nodes[0] as Node, owner);
    verifications.mockClear();
    let evaluated = 0;
    for (const headers of [{}, {}, device]) {
      const burst = nodes.flatMap(({ app }) =>
        Array.from({ length: 50 }, () => login(app, { ...owner, password: WRONG }, headers)),
      );
      const statuses = new Set((await Promise.all(burst)).map(({ status }) => status));
      expect([...statuses]).toStrictEqual([401]);
      evaluated += await takeEvaluated(owner);
      for (const { clock } of nodes) clock.advance(WINDOW_SEC + 1);
    }
    expect(evaluated).toBe(SHARES);
  });

  it('has its slate wiped clean by a right login', async () => {
    const node = openLimitedNode();
    const owner = await seedTestUserAndToken();
    for (let round = 0; round < 3; round += 1) {
      await failTimes(node, owner, 7);
      expect((await login(node.app, owner)).status).toBe(200);
    }
  });
});

describe('a crowd', () => {
  it('of 64 right logins of one person at once is let in, all of it', async () => {
    const node = openNode();
    const owner = await seedTestUserAndToken();
    const crowd = Array.from({ length: 64 }, () => login(node.app, owner));
    const statuses = (await Promise.all(crowd)).map(({ status }) => status);
    expect(statuses).toStrictEqual(Array.from({ length: 64 }, () => 200));
    expect(await liveSessionsOf(owner.staffId)).toHaveLength(65);
  });

  it('past the queue of hashes is told to come back, and no try of its account is lost', async () => {
    const small = openNode((config) => ({ ...config, hashConcurrency: 1, hashQueueLimit: 1 }));
    const owner = await seedTestUserAndToken();
    const crowd = Array.from({ length: 20 }, () => login(small.app, { ...owner, password: WRONG }));
    const refused = (await Promise.all(crowd)).filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThan(10);
    expect(refused[0]?.body.error).toBe('HASHING_BUSY');
    expect(Number(refused[0]?.headers['retry-after'])).toBeGreaterThan(0);
    expect((await login(small.app, owner)).status).toBe(200);
  });
});

describe('an address with too many failures', () => {
  const AWAY = fromAddress('203.0.113.9');
  const fillUp = async (node: Node, failures: number, headers: Record<string, string>) => {
    for (let failure = 0; failure < failures; failure += 1) {
      const nobody = { email: `nobody-${failure}@example.com`, password: WRONG };
      expect((await login(node.app, nobody, headers)).status).toBe(401);
    }
  };

  it('gets the same 429 whichever account it asks for, and nothing is evaluated', async () => {
    const node = openLimitedNode({ perIp: 5 });
    // Retry-After counts seconds.
    node.clock.stop();
    const owner = await seedTestUserAndToken();
    await fillUp(node, 5, AWAY);
    verifications.mockClear();
    const unknown = await login(node.app, { email: 'x@example.com', password: WRONG }, AWAY);
    expect(unknown.status).toBe(429);
    expect(unknown.body.error).toBe('TOO_MANY_ATTEMPTS');
    expect(Number(unknown.headers['retry-after'])).toBeGreaterThan(0);
    const wrong = await login(node.app, { ...owner, password: WRONG }, AWAY);
    const right = await login(node.app, owner, AWAY);
    expect(visibleAnswer(wrong)).toStrictEqual(visibleAnswer(unknown));
    expect(visibleAnswer(right)).toStrictEqual(visibleAnswer(unknown));
    expect(verifications).not.toHaveBeenCalled();
  });

  it('does not slow down anybody at another address', async () => {
    const node = openLimitedNode({ perIp: 5 });
    const owner = await seedTestUserAndToken();
    await fillUp(node, 5, fromAddress('203.0.113.10'));
    expect((await login(node.app, owner, fromAddress('203.0.113.11'))).status).toBe(200);
  });

  it('still lets an owner in on a device that the account knows', async () => {
    const node = openLimitedNode({ perIp: 5 });
    const owner = await seedTestUserAndToken();
    const device = await deviceOf(node, owner);
    const headers = fromAddress('203.0.113.12');
    await fillUp(node, 5, headers);
    expect((await login(node.app, owner, headers)).status).toBe(429);
    expect((await login(node.app, owner, { ...headers, ...device })).status).toBe(200);
  });

  it('is the whole /64 of an IPv6 subscriber', async () => {
    const node = openLimitedNode({ perIp: 2 });
    const nobody = { email: 'nobody@example.com', password: WRONG };
    await fillUp(node, 1, fromAddress('2001:db8:0:1::1'));
    await fillUp(node, 1, fromAddress('2001:db8:0:1:ffff::2'));
    expect((await login(node.app, nobody, fromAddress('2001:db8:0:1::3'))).status).toBe(429);
    expect((await login(node.app, nobody, fromAddress('2001:db8:0:2::1'))).status).toBe(401);
  });

  it('cannot become another by a header that no configured proxy wrote', async () => {
    const node = openNode((config) => ({
      ...config,
      trustProxy: false,
      loginFailures: { ...config.loginFailures, perIp: 3 },
    }));
    for (let failure = 0; failure < 3; failure += 1) {
      await fillUp(node, 1, fromAddress(`198.51.100.${failure}`));
    }
    const nobody = { email: 'nobody@example.com', password: WRONG };
    expect((await login(node.app, nobody, fromAddress('198.51.100.99'))).status).toBe(429);
  });

  it('has a tenth of its budget while the whole system is under a surge of failures', async () => {
    const node = openLimitedNode({ perIp: 20, global: 1 });
    const headers = fromAddress('203.0.113.20');
    await fillUp(node, 2, headers);
    const nobody = { email: 'nobody@example.com', password: WRONG };
    expect((await login(node.app, nobody, headers)).status).toBe(429);
  });
});
