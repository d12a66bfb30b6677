import { AppError } from '@/server/errors';
import { createSimulationLine } from '@/server/simulationLine';
import type { LineLimits } from '@/server/simulationLine';

const PATIENT: LineLimits = { mostWaiting: 3, mostWaitMs: 30_000 };

/** Opens a line, and lets the test end each simulation by hand. */
function openLine(limits: LineLimits = PATIENT) {
  const line = createSimulationLine(limits);
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  return {
    begun,
    /** @returns the code of the refusal, or `done` */
    ask: (tenant: string): Promise<unknown> =>
      line
        .run(tenant, () => {
          begun.push(tenant);
          return new Promise<string>((resolve) => ends.push(() => resolve('done')));
        })
        .catch((error: unknown) => error),
    /** Ends the one that runs, and waits until the next one has begun. */
    async end(): Promise<void> {
      ends.shift()?.();
      await new Promise(setImmediate);
    },
  };
}

const isBusy = (answer: unknown) => {
  expect(answer).toBeInstanceOf(AppError);
  const { code, headers } = answer as AppError;
  expect(code).toBe('SIMULATION_BUSY');
  expect(Number(headers['retry-after'])).toBeGreaterThanOrEqual(1);
};

describe('simulations on one node', () => {
  it('run one at a time, in the order in which they were asked for', async () => {
    const { ask, begun, end } = openLine();
    const answers = ['a', 'b', 'c'].map(ask);
    expect(begun).toStrictEqual(['a']);
    await end();
    expect(begun).toStrictEqual(['a', 'b']);
    await end();
    await end();
    expect(await Promise.all(answers)).toStrictEqual(['done', 'done', 'done']);
    void ask('d');
    expect(begun).toStrictEqual(['a', 'b', 'c', 'd']);
  });

  it('of one tenant have one place in the line, so that a tenant that asks in a loop lets others go first', async () => {
    const { ask, begun, end } = openLine();
    const flood = Array.from({ length: 5 }, () => ask('a'));
    const other = ask('b');
    for (const refused of await Promise.all(flood.slice(2))) isBusy(refused);
    await end();
    void ask('a');
    await end();
    expect(begun).toStrictEqual(['a', 'a', 'b']);
    await end();
    expect(await other).toBe('done');
    expect(begun).toStrictEqual(['a', 'a', 'b', 'a']);
  });

  it('are refused if the line is full', async () => {
    const { ask, end } = openLine();
    const answers = ['a', 'b', 'c', 'd'].map(ask);
    isBusy(await ask('e'));
    await end();
    const next = ask('e');
    for (let left = 4; left > 0; left -= 1) await end();
    expect(await Promise.all([...answers, next])).toStrictEqual(Array(5).fill('done'));
  });

  it('are refused without having begun if their turn does not come in time', async () => {
    const { ask, begun, end } = openLine({ mostWaiting: 3, mostWaitMs: 1 });
    const first = ask('a');
    isBusy(await ask('b'));
    await end();
    expect([await first, begun]).toStrictEqual(['done', ['a']]);
    void ask('b');
    expect(begun).toStrictEqual(['a', 'b']);
  });

  it('that fail give their turn to the next one', async () => {
    const line = createSimulationLine(PATIENT);
    const failed = line.run('a', () => Promise.reject(new Error('no')));
    const next = line.run('b', () => Promise.resolve('done'));
    await expect(failed).rejects.toThrow('no');
    expect(await next).toBe('done');
  });
});
