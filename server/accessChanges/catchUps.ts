import type { Asked, Reading } from './changeStore';

/** A reading, and when it began by this node's monotonic clock, in milliseconds. */
export interface Once {
  beganAt: number;
  reading: Reading;
}

interface Waiter {
  resolve: (once: Once) => void;
  reject: (error: unknown) => void;
}

/**
 * Reads what guards have missed, one reading at a time. All readings share one connection with the
 * turns of the reader. So a turn waits for one of these readings at most, however many guards
 * connect at once. Guards that ask the same share a reading that has not begun, as all do that
 * connect without a cursor.
 * @returns a function that throws the driver's error. If a reading fails, so do all that wait: the
 * next one would only wait for the same silent database
 */
export function createCatchUps(read: (asked: Asked) => Promise<Reading>) {
  const due = new Map<string, { asked: Asked; waiters: Waiter[] }>();
  let running = false;

  async function run(): Promise<void> {
    for (const [key, { asked, waiters }] of due) {
      due.delete(key);
      try {
        const once = { beganAt: performance.now(), reading: await read(asked) };
        for (const { resolve } of waiters) resolve(once);
      } catch (error) {
        const all = [...waiters, ...[...due.values()].flatMap((one) => one.waiters)];
        due.clear();
        for (const { reject } of all) reject(error);
      }
    }
    running = false;
  }

  return (asked: Asked): Promise<Once> =>
    new Promise((resolve, reject) => {
      const key = `${asked.from ?? ''} ${asked.unseenIn ?? ''}`;
      const one = due.get(key) ?? { asked, waiters: [] };
      one.waiters.push({ resolve, reject });
      due.set(key, one);
      if (running) return;
      running = true;
      void run();
    });
}
