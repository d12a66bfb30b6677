/** Of one turn of the event loop no more than this counts, however long the loop stood still. */
const SLICE_MS = 25;

/**
 * Calls back after so much time in which an answer could have been heard. A plain timer also counts the time in which the
 * event loop was busy with other requests: it fires before the socket is read, although the answer may lie there. Anybody
 * who can keep the loop busy could so cut off whatever waits. Here each slice ends only after the sockets were polled, and
 * a loop that stood still for seconds counts as one slice.
 * @param ms milliseconds, counted in slices
 * @returns how to stop
 */
export function afterHearingNothing(ms: number, callback: () => void): () => void {
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
