const SHORTEST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 50;

/**
 * Asks until the answer fits, or fails at the deadline. A correct program never reaches the
 * deadline, even on a busy machine. The pauses get longer, because asking takes processor time
 * from the program under test.
 */
export async function pollUntil<T>(
  what: string,
  ask: () => Promise<T>,
  fits: (answer: T) => boolean,
  timeoutMs = 40_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (let pause = SHORTEST_PAUSE_MS; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
    const answer = await ask();
    if (fits(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`did not happen within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
