/** The most milliseconds that one turn of the event loop counts for, however long it took. */
const SLICE_MS = 25;

/**
 * Calls back after a time in which no answer came, although the process could have read one. A
 * plain timer also counts the time in which the event loop was busy with other requests. It fires
 * before the socket is read, although the answer may already be there. Anyone able to keep the loop
 * busy could then cut off all waiting queries. Here each slice ends only after the sockets were
 * polled, and a loop that was blocked for seconds counts as one slice.
 * @param ms milliseconds, counted in slices
 * @returns a function that stops the timer
 */
export function startReadTimeout(ms: number, callback: () => void): () => void {
  let left = ms;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  function waitForSlice(): void {
    const begun = performance.now();
    timer = setTimeout(
      () => {
        // Timers run before the poll phase of a turn, and immediates after it.
        setImmediate(() => {
          if (stopped) return;
          left -= Math.min(SLICE_MS, performance.now() - begun);
          if (left <= 0) callback();
          else waitForSlice();
        });
      },
      Math.max(1, Math.min(SLICE_MS, left)),
    );
  }

  waitForSlice();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
