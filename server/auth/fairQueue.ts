import { AppError } from '../errors';
import { SECOND_MS } from '../durations';

/**
 * A login that asks for a place in the queue: its address block, and whether somebody has signed in
 * from its device or network before.
 */
export interface Applicant {
  block: string;
  familiar: boolean;
}

interface Waiting {
  start: () => void;
  refuse: (error: AppError) => void;
}

/**
 * Keeps one line per address block and takes from the lines in turn, so that a long line delays
 * only itself.
 */
function createLines() {
  const lines = new Map<string, Waiting[]>();
  const size = () => [...lines.values()].reduce((sum, line) => sum + line.length, 0);
  return {
    size,
    lengthOf: (block: string) => lines.get(block)?.length ?? 0,
    add(block: string, one: Waiting) {
      const line = lines.get(block);
      if (line) line.push(one);
      else lines.set(block, [one]);
    },
    next(): Waiting | undefined {
      const [first] = lines;
      if (!first) return undefined;
      const [block, line] = first;
      const one = line.shift();
      lines.delete(block);
      if (line.length > 0) lines.set(block, line);
      return one;
    },
    /**
     * Removes and returns the newest entry of the longest line, if that line is longer than
     * `least`.
     */
    dropFromLongest(least: number): Waiting | undefined {
      const [block, longest] = [...lines].sort(([, a], [, b]) => b.length - a.length)[0] ?? [];
      if (block === undefined || !longest || longest.length <= least) return undefined;
      const one = longest.pop();
      if (longest.length === 0) lines.delete(block);
      return one;
    },
  };
}

/** Assumed duration of a job until one has been measured. */
const FIRST_GUESS_MS = 250;
/**
 * A quarter of the waiting places is reserved for devices and networks that somebody has signed in
 * from.
 */
const KEPT_SHARE = 4;

export interface FairQueue {
  /**
   * Runs a job as soon as it is this applicant's turn.
   * @param describe describes the applicant; called only if the job has to wait
   * @throws AppError HASHING_BUSY if all places are taken; the job has not begun then
   */
  admit<T>(describe: () => Promise<Applicant>, job: () => Promise<T>): Promise<T>;
}

/**
 * Creates a bounded queue in front of the password hashes; without a bound, waiting logins would
 * fill the memory. Address blocks take turns. If the queue is full, the newest entry of the longest
 * line gives way to a block with a shorter line, so that one address cannot keep the others out.
 * Unfamiliar applicants never get the places reserved for familiar ones.
 * @param places how many jobs may run or wait
 * @param width how many jobs may run at once
 */
export function createFairQueue(places: number, width: number): FairQueue {
  const familiar = createLines();
  const strangers = createLines();
  const waitingPlaces = Math.max(0, places - width);
  const strangersPlaces = waitingPlaces - Math.floor(waitingPlaces / KEPT_SHARE);
  let running = 0;
  let familiarNext = true;
  let averageMs = FIRST_GUESS_MS;

  /** Builds the error with the estimated time, in seconds, until the jobs here now are done. */
  function busy(): AppError {
    const ahead = running + familiar.size() + strangers.size();
    const seconds = Math.ceil((ahead * averageMs) / width / SECOND_MS);
    return new AppError('HASHING_BUSY', {
      headers: { 'retry-after': String(Math.max(1, seconds)) },
    });
  }

  /** @returns false if there is no place and no waiting entry has to give way */
  function makeRoom({ block, familiar: known }: Applicant): boolean {
    const all = familiar.size() + strangers.size();
    if (all < waitingPlaces && (known || strangers.size() < strangersPlaces)) return true;
    // Strangers hold less than their share, so the familiar lines hold more than theirs.
    const short = !known && strangers.size() < strangersPlaces;
    const mine = known ? familiar : strangers;
    const dropped = short
      ? familiar.dropFromLongest(0)
      : mine.dropFromLongest(mine.lengthOf(block) + 1);
    dropped?.refuse(busy());
    return dropped !== undefined;
  }

  function hand(): void {
    const [first, second] = familiarNext ? [familiar, strangers] : [strangers, familiar];
    const next = first.next() ?? second.next();
    familiarNext = !familiarNext;
    // Hand the turn on directly. If it were released and taken again, another job could slip in
    // between.
    if (next) next.start();
    else running -= 1;
  }

  function startAtOnce(): boolean {
    if (running >= width) return false;
    running += 1;
    return true;
  }

  async function waitForTurn(describe: () => Promise<Applicant>): Promise<void> {
    if (startAtOnce()) return;
    const applicant = await describe();
    if (startAtOnce()) return;
    if (!makeRoom(applicant)) throw busy();
    const lines = applicant.familiar ? familiar : strangers;
    await new Promise<void>((start, refuse) => lines.add(applicant.block, { start, refuse }));
  }

  return {
    async admit(describe, job) {
      await waitForTurn(describe);
      const begun = performance.now();
      try {
        return await job();
      } finally {
        averageMs += (performance.now() - begun - averageMs) / 8;
        hand();
      }
    },
  };
}
