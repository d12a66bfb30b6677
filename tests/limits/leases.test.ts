import { createRateLimits } from '@/server/limits/limiter';
import type { RateLimitParts, Subject } from '@/server/limits/limiter';
import type { AskedTokens, RateLimitScope } from '@/server/limits/rateLimitStore';

const WINDOW_SEC = 60;
const account = (subject: string): Subject => ({ scope: 'account', subject });

/** A bucket store in memory, as the database would keep it, that records what it was asked. */
function openLimits(quota: number, more: Partial<RateLimitParts> = {}) {
  const asked: AskedTokens[][] = [];
  const buckets = new Map<string, number>();
  let nowMs = 0;
  const policy = { quota, windowSec: WINDOW_SEC };
  const limits = createRateLimits({
    policies: {
      address: policy,
      account: policy,
      tenant: policy,
      key: policy,
      events: policy,
      introspect: policy,
    },
    takeTokens: (wanted) => {
      asked.push([...wanted]);
      const grants = wanted.map(({ scope, subject, need }) => {
        const before = buckets.get(subject) ?? quota;
        const granted = Math.min(before, Math.max(need, Math.floor(before / 20)));
        buckets.set(subject, before - granted);
        return {
          scope,
          subject,
          granted,
          tokens: before - granted,
          previous: 0,
          endsInMs: 60_000 - (nowMs % 60_000),
        };
      });
      return Promise.resolve(grants);
    },
    hash: (_scope: RateLimitScope, subject) => subject,
    breaker: { admit: () => true, succeeded: () => undefined, failed: () => undefined },
    onFailure: () => undefined,
    onSkipped: () => undefined,
    elapsedMs: () => nowMs,
    mostLeases: 100,
    ...more,
  });
  return { limits, asked, moveTo: (ms: number) => void (nowMs = ms) };
}

const takeMany = (limits: ReturnType<typeof openLimits>['limits'], subjects: Subject[][]) =>
  Promise.all(subjects.map((one) => limits.take(one)));
const passed = (verdicts: Awaited<ReturnType<typeof takeMany>>) =>
  verdicts.filter((verdict) => verdict?.violated.length === 0).length;

describe('the leases of a node', () => {
  it('let the requests of one turn share one statement, each bucket once', async () => {
    const { limits, asked } = openLimits(20);
    const subjects = Array.from({ length: 50 }, (_none, index) => [account(`a${index % 5}`)]);
    expect(passed(await takeMany(limits, subjects))).toBe(50);
    expect(asked.map((one) => one.map(({ subject, need }) => [subject, need]))).toStrictEqual([
      [0, 1, 2, 3, 4].map((index) => [`a${index}`, 10]),
    ]);
  });

  it('answer from memory until they are spent', async () => {
    const { limits, asked } = openLimits(600);
    for (let turn = 0; turn < 30; turn += 1) await limits.take([account('a')]);
    expect(asked).toHaveLength(1);
    await limits.take([account('a')]);
    expect(asked).toHaveLength(2);
  });

  it('end with the window of their bucket', async () => {
    const { limits, asked, moveTo } = openLimits(600);
    await limits.take([account('a')]);
    moveTo(59_999);
    await limits.take([account('a')]);
    expect(asked).toHaveLength(1);
    moveTo(60_000);
    await limits.take([account('a')]);
    expect(asked).toHaveLength(2);
  });

  it('are dropped, the one that was used longest ago first, when there are too many', async () => {
    const { limits, asked } = openLimits(600, { mostLeases: 2 });
    for (const subject of ['a', 'b', 'a', 'c', 'a', 'b']) await limits.take([account(subject)]);
    expect(asked.map(([one]) => one?.subject)).toStrictEqual(['a', 'b', 'c', 'b']);
  });

  it('of an empty bucket are asked for again when it has a token, once a second at most', async () => {
    const share = { tokens: 10, previous: 20, endsInMs: 45_000 };
    // Half of the window before still counts at 30,000 ms before the end of this one.
    for (const [answer, waitMs] of [
      [share, 15_000],
      [{ ...share, tokens: 15, endsInMs: 45_100 }, 1000],
      [{ ...share, tokens: 0 }, 45_000],
    ] as const) {
      const takeTokens = jest.fn((wanted: readonly AskedTokens[]) =>
        Promise.resolve(
          wanted.map(({ scope, subject }) => ({ scope, subject, granted: 0, ...answer })),
        ),
      );
      const { limits, moveTo } = openLimits(20, { takeTokens });
      const refused = await limits.take([account('a')]);
      expect(refused?.violated).toStrictEqual(['account']);
      expect(refused?.statuses.map(({ resetSec }) => resetSec)).toStrictEqual([waitMs / 1000]);
      moveTo(waitMs - 1);
      await limits.take([account('a')]);
      expect(takeTokens).toHaveBeenCalledTimes(1);
      moveTo(waitMs);
      await limits.take([account('a')]);
      expect(takeTokens).toHaveBeenCalledTimes(2);
    }
  });

  it('of one policy are not spent by a request that another policy refuses', async () => {
    const { limits } = openLimits(3);
    const tenant: Subject = { scope: 'tenant', subject: 't' };
    const verdicts = await takeMany(
      limits,
      Array.from({ length: 10 }, () => [account('loud')]),
    );
    expect(passed(verdicts)).toBe(3);
    await takeMany(
      limits,
      Array.from({ length: 10 }, () => [account('loud'), tenant]),
    );
    const left = await limits.take([account('quiet'), tenant]);
    expect(left?.statuses.map(({ remaining }) => remaining)).toStrictEqual([2, 2]);
  });

  it('that cannot be had let the requests through, and count them', async () => {
    const onSkipped = jest.fn();
    const takeTokens = () => Promise.reject(new Error('gone'));
    const { limits } = openLimits(3, { onSkipped, takeTokens });
    expect(await limits.take([account('a')])).toBeUndefined();
    expect(onSkipped).toHaveBeenCalledTimes(1);
  });
});
