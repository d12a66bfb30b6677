import { AppError } from '../errors';

/** Who asks for a place: the address block, and whether device or network is one that somebody has signed in from. */
export interface Applicant {
  block: string;
  familiar: boolean;
}

interface Waiting {
  start: () => void;
  refuse: (error: AppError) => void;
}

/** One line a block; the lines take turns, so that a long one delays itself alone. */
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
    /** Takes the newest out of the longest line, if it is longer than `least`. */
    dropFromLongest(least: number): Waiting | undefined {
      const [block, longest] = [...lines].sort(([, a], [, b]) => b.length - a.length)[0] ?? [];
      if (block === undefined || !longest || longest.length <= least) return undefined;
      const one = longest.pop();
      if (longest.length === 0) lines.delete(block);
      return one;
    },
  };
}

/** Before anything was measured. */
const FIRST_GUESS_MS = 250;
/** A quarter of the waiting places is for devices and networks that somebody has signed in from. */
const KEPT_SHARE = 4;

export interface FairQueue {
  /**
   * Runs a job as soon as it is this applicant's turn.
   * @param describe says who it is; asked only if there is somebody to wait for
   * @throws AppError HASHING_BUSY if all places are taken, before the job has begun
   */
  admit<T>(describe: () => Promise<Applicant>, job: () => Promise<T>): Promise<T>;
}

/**
 * A bounded queue in front of the password hashes: past so many, memory would be the queue. Address blocks take turns. If
 * it is full, the newest of the longest line gives way to a block with a shorter one, so that one address cannot keep the
 * others out; and strangers never take the places that are kept for those who are familiar.
 * @param places how many may run or wait
 * @param width how many may run at once
 */
export function createFairQueue(places: number, width: number): FairQueue {
  const familiar = createLines();
  const strangers = createLines();
  const waitingPlaces = Math.max(0, places - width);
  const strangersPlaces = waitingPlaces - Math.floor(waitingPlaces / KEPT_SHARE);
  let running = 0;
  let familiarNext = true;
  let averageMs = FIRST_GUESS_MS;

  /** The time after which those who are here now will be done. */
  function busy(): AppError {
    const ahead = running + familiar.size() + strangers.size();
    const seconds = Math.ceil((ahead * averageMs) / width / 1000);
    return new AppError('HASHING_BUSY', {
      headers: { 'retry-after': String(Math.max(1, seconds)) },
    });
  }

  /** @returns false if there is no place, and nobody who has to give way */
  function makeRoom({ block, familiar: known }: Applicant): boolean {
    const all = familiar.size() + strangers.size();
    if (all < waitingPlaces && (known || strangers.size() < strangersPlaces)) return true;
    // The strangers have fewer than their share, so the others have more than theirs.
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
    // The turn is handed on, not given back and taken again: nobody can slip in between.
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
