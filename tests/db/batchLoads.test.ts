import { batchLoads } from '@/server/db/batchLoads';

/** A loader whose queries end when the test ends them. */
function openLoader() {
  const queries: { keys: string[]; end: () => void }[] = [];
  const load = (keys: string[]) =>
    new Promise<Map<string, string>>((resolve) => {
      queries.push({ keys, end: () => resolve(new Map(keys.map((key) => [key, `${key}!`]))) });
    });
  return { queries, load };
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

describe('look-ups that gather for 50 ms', () => {
  it('share one query at a time, whatever comes meanwhile, and each gets its answer', async () => {
    const { queries, load } = openLoader();
    const find = batchLoads(load, { mostInFlight: 1, gatherMs: 50 });
    const first = Array.from({ length: 100 }, (_none, index) => find(`a${index}`));
    await jest.advanceTimersByTimeAsync(49);
    expect(queries).toHaveLength(0);
    await jest.advanceTimersByTimeAsync(1);
    expect(queries.map(({ keys }) => keys.length)).toStrictEqual([100]);

    const later = ['b', 'c'].map((key) => find(key));
    await jest.advanceTimersByTimeAsync(1000);
    expect(queries).toHaveLength(1);
    queries[0]?.end();
    expect((await Promise.all(first)).at(-1)).toBe('a99!');

    await jest.advanceTimersByTimeAsync(50);
    expect(queries.map(({ keys }) => keys).slice(1)).toStrictEqual([['b', 'c']]);
    queries[1]?.end();
    expect(await Promise.all(later)).toStrictEqual(['b!', 'c!']);
  });
});
