import { randomUUID } from 'node:crypto';
import { createFairQueue } from '@/server/auth/fairQueue';
import { cookieOf, fromAddress, login } from '@/tests/helpers/authCalls';
import { openNode } from '@/tests/helpers/openNode';
import type { Node } from '@/tests/helpers/openNode';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

const WRONG = 'not the right password';
const nobody = () => ({ email: `nobody-${randomUUID()}@example.com`, password: WRONG });

const openSmallNode = (perIp: number) =>
  openNode((config) => ({
    ...config,
    hashConcurrency: 1,
    hashQueueLimit: 16,
    argon2: { memoryKib: 8192, timeCost: 2 },
    loginFailures: { ...config.loginFailures, perIp },
  }));

/** Sends logins without pause, so many at a time. @returns how to stop, and the statuses that came */
function flood(node: Node, address: string, parallel: number) {
  const statuses: number[] = [];
  let stopped = false;
  const lines = Array.from({ length: parallel }, async () => {
    while (!stopped) statuses.push((await login(node.app, nobody(), fromAddress(address))).status);
  });
  return async () => {
    stopped = true;
    await Promise.all(lines);
    return statuses;
  };
}

/** An owner on a known device, at another address than the flood. */
async function signInMeanwhile(node: Node, times: number): Promise<number[]> {
  const owner = await seedTestUserAndToken();
  const cookie = cookieOf(await login(node.app, owner, fromAddress('198.51.100.1')), 'gh_device');
  const headers = { ...fromAddress('198.51.100.2'), cookie };
  const stop = flood(node, '203.0.113.66', 60);
  const statuses: number[] = [];
  try {
    for (let time = 0; time < times; time += 1) {
      statuses.push((await login(node.app, owner, headers)).status);
    }
  } finally {
    await stop();
  }
  return statuses;
}

const all = (times: number, status: number) => Array.from({ length: times }, () => status);

describe('the owner of a known device', () => {
  it('always gets in while an address past its budget sends 60 logins at a time', async () => {
    const node = openSmallNode(2);
    await login(node.app, nobody(), fromAddress('203.0.113.66'));
    await login(node.app, nobody(), fromAddress('203.0.113.66'));
    expect((await login(node.app, nobody(), fromAddress('203.0.113.66'))).status).toBe(429);
    expect(await signInMeanwhile(node, 20)).toStrictEqual(all(20, 200));
  });

  it('always gets in while an address with failures to spare fills the queue of hashes', async () => {
    expect(await signInMeanwhile(openSmallNode(100_000), 10)).toStrictEqual(all(10, 200));
  });
});

describe('a flood from one address', () => {
  it('does not keep out a stranger at another one, who has a line of their own', async () => {
    const node = openSmallNode(100_000);
    const owner = await seedTestUserAndToken();
    const stop = flood(node, '203.0.113.67', 60);
    const statuses: number[] = [];
    try {
      for (let time = 0; time < 5; time += 1) {
        statuses.push((await login(node.app, owner, fromAddress('198.51.100.3'))).status);
      }
    } finally {
      expect(await stop()).toContain(503);
    }
    expect(statuses).toStrictEqual(all(5, 200));
  });
});

describe('the queue of hashes', () => {
  /** A job that ends when it is told to. */
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
    const first = outcome(queue.admit({ block: 'a', familiar: false }, job));
    const waiting = [1, 2, 3, 4].map(() =>
      outcome(queue.admit({ block: 'a', familiar: false }, () => Promise.resolve())),
    );
    const other = outcome(queue.admit({ block: 'b', familiar: false }, () => Promise.resolve()));
    end();
    expect(await first).toBe('done');
    // Four may wait, one of the places is kept for familiar devices: three, and the last of them gave way.
    expect(await Promise.all(waiting)).toStrictEqual([
      'done',
      'done',
      'HASHING_BUSY',
      'HASHING_BUSY',
    ]);
    expect(await other).toBe('done');
  });

  it('keeps a place for a familiar device that strangers never get, however many they are', async () => {
    const queue = createFairQueue(5, 1);
    const { job, end } = hold();
    const jobs = [outcome(queue.admit({ block: 'a', familiar: false }, job))];
    for (const block of ['b', 'c', 'd', 'e', 'f']) {
      jobs.push(outcome(queue.admit({ block, familiar: false }, () => Promise.resolve())));
    }
    const known = outcome(queue.admit({ block: 'x', familiar: true }, () => Promise.resolve()));
    end();
    expect(await known).toBe('done');
    expect((await Promise.all(jobs)).filter((one) => one === 'HASHING_BUSY')).toHaveLength(2);
  });
});
