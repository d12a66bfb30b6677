/**
 * Has what waits ten seconds wait two and a half of them, so that a test can await the end of it.
 * @returns puts the clock back
 */
export function shortenTenSeconds(): () => void {
  const wait = globalThis.setTimeout;
  const spy = jest
    .spyOn(globalThis, 'setTimeout')
    .mockImplementation((act: () => void, ms?: number) => wait(act, ms === 10_000 ? 2_500 : ms));
  return () => spy.mockRestore();
}
