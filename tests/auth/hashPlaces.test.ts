import { randomUUID } from 'node:crypto';
import { createFairQueue } from '@/server/auth/fairQueue';
import { cookieOf, fromAddress, login } from '@/tests/helpers/http/authCalls';
import { openNode } from '@/tests/helpers/server/openNode';
import type { Node } from '@/tests/helpers/server/openNode';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

const WRONG = 'not the right password';
const nobody = () => ({ email: `nobody-${randomUUID()}@example.com`, password: WRONG });

const openSmallNode = (perIp: number, hashQueueLimit = 16) =>
  openNode((config) => ({
    ...config,
    hashConcurrency: 1,
    hashQueueLimit,
    loginFailures: { ...config.loginFailures, perIp },
  }));

/** Sends sixty logins at a time from one address. @returns the statuses */
async function flood(node: Node, address: string): Promise<number[]> {
  const statuses: number[] = [];
  for (let round = 0; round < 2; round += 1) {
    const logins = Array.from({ length: 60 }, () =>
      login(node.app, nobody(), fromAddress(address)),
    );
    statuses.push(...(await Promise.all(logins)).map(({ status }) => status));
  }
  return statuses;
}

/**
 * Signs one person in that many times, two at a time, while another address sends sixty at a time.
 */
async function signInDuring(node: Node, headers: Record<string, string>, times: number) {
  const owner = await seedTestUserAndToken();
  const known = await login(node.app, owner, fromAddress('198.51.100.1'));
  const cookie = cookieOf(known, 'gh_device');
  const mine = headers['cookie'] === 'mine' ? { ...headers, cookie } : headers;
  const flooded = flood(node, '203.0.113.66');
  const statuses: number[] = [];
  for (let time = 0; time < times; time += 2) {
    const pair = [1, 2].map(() => login(node.app, owner, mine));
    statuses.push(...(await Promise.all(pair)).map(({ status }) => status));
  }
  return { statuses, flooded: await flooded };
}

const all = (times: number, status: number) => Array.from({ length: times }, () => status);
const ON_KNOWN_DEVICE = { ...fromAddress('198.51.100.2'), cookie: 'mine' };

describe('the owner of a known device', () => {
  it('always gets in while an address past its budget sends 60 logins at a time', async () => {
    // Sixty fit into the queue before the look-ups, so that each finds out that it is refused.
    const node = openSmallNode(2, 24);
    for (let failure = 0; failure < 2; failure += 1) {
      await login(node.app, nobody(), fromAddress('203.0.113.66'));
    }
    const { statuses, flooded } = await signInDuring(node, ON_KNOWN_DEVICE, 20);
    expect(statuses).toStrictEqual(all(20, 200));
    expect(new Set(flooded)).toStrictEqual(new Set([429]));
  });

  it('always gets in while an address with failures to spare fills the queue of hashes', async () => {
    const { statuses, flooded } = await signInDuring(openSmallNode(100_000), ON_KNOWN_DEVICE, 12);
    expect(statuses).toStrictEqual(all(12, 200));
    expect(flooded).toContain(503);
  });
});

describe('a flood from one address', () => {
  it('does not keep out a stranger at another one, who has a line of their own', async () => {
    const node = openSmallNode(100_000);
    const { statuses, flooded } = await signInDuring(node, fromAddress('198.51.100.3'), 8);
    expect(statuses).toStrictEqual(all(8, 200));
    expect(flooded).toContain(503);
  });
});

describe('the queue of hashes', () => {
  /** A job that ends when the test ends it. */
  const hold = () => {
    let end = () => {};
    const ended = new Promise<void>((done) => (end = done));
    return { job: () => ended, end };
  };
  const outcome = (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: { code: string }) => error.code,
    );

  it('takes the newest place from the longest line for an address that has fewer', async () => {
    const queue = createFairQueue(5, 1);
    const { job, end } = hold();
    const first = outcome(
      queue.admit(
        () => Promise.resolve({ block: 'a', domain: 'example.com', familiar: false }),
        job,
      ),
    );
    const waiting = [1, 2, 3, 4].map(() =>
      outcome(
        queue.admit(
          () => Promise.resolve({ block: 'a', domain: 'example.com', familiar: false }),
          () => Promise.resolve(),
        ),
      ),
    );
    const other = outcome(
      queue.admit(
        () => Promise.resolve({ block: 'b', domain: 'example.com', familiar: false }),
        () => Promise.resolve(),
      ),
    );
    end();
    expect(await first).toBe('done');
    // Four may wait, but one place is reserved for known devices. So three wait, and the last of
    // them had to give way.
    expect(await Promise.all(waiting)).toStrictEqual([
      'done',
      'done',
      'HASHING_BUSY',
      'HASHING_BUSY',
    ]);
    expect(await other).toBe('done');
  });

  it('refuses an applicant whose turn does not come in time, and frees the place', async () => {
    jest.useFakeTimers();
    try {
      const queue = createFairQueue(3, 1, 1000);
      const { job, end } = hold();
      const enter = (block: string, work = () => Promise.resolve()) =>
        outcome(
          queue.admit(() => Promise.resolve({ block, domain: 'a.example', familiar: false }), work),
        );
      const first = enter('a', job);
      const waiting = ['b', 'c'].map((block) => enter(block));
      await jest.advanceTimersByTimeAsync(999);
      const late = ['d'].map((block) => enter(block));
      expect(await Promise.all(late)).toStrictEqual(['HASHING_BUSY']);
      await jest.advanceTimersByTimeAsync(1);
      expect(await Promise.all(waiting)).toStrictEqual(['HASHING_BUSY', 'HASHING_BUSY']);
      const next = [enter('e'), enter('f')];
      end();
      expect(await Promise.all([first, ...next])).toStrictEqual(['done', 'done', 'done']);
    } finally {
      jest.useRealTimers();
    }
  });

  it('keeps a place for a familiar device that strangers never get, however many they are', async () => {
    const queue = createFairQueue(5, 1);
    const { job, end } = hold();
    const jobs = [
      outcome(
        queue.admit(
          () => Promise.resolve({ block: 'a', domain: 'example.com', familiar: false }),
          job,
        ),
      ),
    ];
    for (const block of ['b', 'c', 'd', 'e', 'f']) {
      jobs.push(
        outcome(
          queue.admit(
            () => Promise.resolve({ block, domain: 'example.com', familiar: false }),
            () => Promise.resolve(),
          ),
        ),
      );
    }
    const known = outcome(
      queue.admit(
        () => Promise.resolve({ block: 'x', domain: 'example.com', familiar: true }),
        () => Promise.resolve(),
      ),
    );
    end();
    expect(await known).toBe('done');
    expect((await Promise.all(jobs)).filter((one) => one === 'HASHING_BUSY')).toHaveLength(2);
  });
});
