import { createTurns } from '@/server/backgroundTurns';
import type { Turn } from '@/server/backgroundTurns';
import { createMetrics } from '@/server/metrics';

/** Opens turns that report each one, and end only if the test lets them. */
function openTurns(takeTurn?: (turn: Turn, at: number) => void) {
  const metrics = createMetrics();
  const begun: (() => void)[] = [];
  const seen: (() => void)[] = [];
  const failures: unknown[] = [];
  let current = 0;
  let most = 0;
  const options = {
    task: 'send_mails',
    everyMs: 0,
    metrics,
    logFailure: ({ err }: { err: unknown }) => void failures.push(err),
  };
  const turns = createTurns(options, async (turn) => {
    current += 1;
    most = Math.max(most, current);
    const ended = new Promise<void>((resolve) => void begun.push(resolve));
    for (const goOn of seen.splice(0)) goOn();
    await ended;
    current -= 1;
    takeTurn?.(turn, begun.length);
  });
  /** Waits until that many turns have begun. */
  const untilBegun = async (count: number) => {
    while (begun.length < count) await new Promise<void>((resolve) => void seen.push(resolve));
  };
  const endTurn = async (at: number) => {
    await untilBegun(at);
    begun[at - 1]?.();
  };
  return { turns, metrics, begun, failures, endTurn, untilBegun, most: () => most };
}

describe('background turns', () => {
  afterEach(() => jest.useRealTimers());

  it('that are woken during a turn take one more after it, and never two at once', async () => {
    const { turns, begun, endTurn, most } = openTurns();
    turns.wake();
    turns.wake();
    turns.wake();
    expect(begun.length).toBe(1);
    await endTurn(1);
    await endTurn(2);
    await turns.settle();
    expect([begun.length, most()]).toEqual([2, 1]);
  });

  it('go on by themselves only once they are started, and not after they are stopped', async () => {
    jest.useFakeTimers();
    const { turns, begun, endTurn, untilBegun } = openTurns();
    turns.wake();
    await endTurn(1);
    await turns.settle();
    expect(jest.getTimerCount()).toBe(0);
    turns.start();
    await endTurn(2);
    await turns.settle();
    jest.runOnlyPendingTimers();
    await untilBegun(3);
    const stopped = turns.stop();
    await endTurn(3);
    await stopped;
    turns.wake();
    expect([begun.length, jest.getTimerCount()]).toEqual([3, 0]);
  });

  it('log a failure once until a turn succeeds, and count each', async () => {
    const { turns, metrics, failures, endTurn } = openTurns((_turn, at) => {
      if (at !== 3) throw new Error(`turn ${at}`);
    });
    for (const at of [1, 2, 3, 4]) {
      turns.wake();
      await endTurn(at);
      await turns.settle();
    }
    expect(failures).toEqual([new Error('turn 1'), new Error('turn 4')]);
    const counted = await metrics.backgroundFailures.get();
    expect(counted.values).toMatchObject([{ value: 3, labels: { task: 'send_mails' } }]);
  });

  it('that are stopped wait for work beside them, and abort it after the grace', async () => {
    const ends: string[] = [];
    const { turns, endTurn } = openTurns(({ ending, beside }) => {
      const aborted = new Promise<void>((resolve) => {
        ending.addEventListener('abort', () => resolve());
      });
      beside.add(aborted, () => void ends.push('work'));
    });
    turns.wake();
    await endTurn(1);
    await turns.stop(1);
    expect(ends).toEqual(['work']);
  });
});
