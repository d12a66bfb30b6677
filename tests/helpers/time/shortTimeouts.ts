/**
 * Shortens timeouts of ten seconds to a quarter, so that a test can wait for their end.
 * @returns a function that restores the timeouts
 */
export function shortenTenSeconds(): () => void {
  const wait = globalThis.setTimeout;
  const spy = jest
    .spyOn(globalThis, 'setTimeout')
    .mockImplementation((act: () => void, ms?: number) => wait(act, ms === 10_000 ? 2_500 : ms));
  return () => spy.mockRestore();
}
