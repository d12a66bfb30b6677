import type { Config } from '../config';
import { AppError } from '../errors';
import { SECOND_MS } from '../durations';
import { createFairLines } from './fairLines';
import type { FairLines, Waiting } from './fairLines';

/** A login that asks for a place in a queue. */
export interface Applicant {
  /** Its address block, or its device. */
  block: string;
  /**
   * The domain of its e-mail address. It is the same for known and unknown people, so the time in
   * the queue does not reveal who has an account. The tenant of the account would.
   */
  domain: string;
  /** Whether somebody has signed in from its device or network before. */
  familiar: boolean;
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
   * @throws AppError HASHING_BUSY if all places are taken, or if its turn does not come in time; the
   * job has not begun then
   */
  admit<T>(describe: () => Promise<Applicant>, job: () => Promise<T>): Promise<T>;
}

/** Waits for a turn in these lines, for a limited time if one is given. */
const waitIn = (
  lines: FairLines,
  place: Pick<Waiting, 'block' | 'domain'>,
  { mostWaitMs, late }: { mostWaitMs: number | undefined; late: () => AppError },
): Promise<void> =>
  new Promise((resolve, reject) => {
    const giveUp = () => {
      lines.remove(one);
      reject(late());
    };
    const timer = mostWaitMs === undefined ? undefined : setTimeout(giveUp, mostWaitMs);
    const one: Waiting = {
      ...place,
      start() {
        clearTimeout(timer);
        resolve();
      },
      refuse(error) {
        clearTimeout(timer);
        reject(error);
      },
    };
    lines.add(one);
  });

/**
 * Creates a bounded queue in front of a part of a login; without a bound, waiting logins would
 * fill the memory. Address blocks and mail domains take turns. If the queue is full, the entry with
 * the longest to wait gives way, so that neither one address nor a flood on one tenant's accounts can
 * keep the others out.
 * Unfamiliar applicants never get the places reserved for familiar ones.
 * @param places how many jobs may run or wait
 * @param width how many jobs may run at once
 * @param mostWaitMs how long an applicant waits for a turn; without it, as long as it takes
 */
export function createFairQueue(places: number, width: number, mostWaitMs?: number): FairQueue {
  const familiar = createFairLines();
  const strangers = createFairLines();
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
  function makeRoom(applicant: Applicant): boolean {
    const known = applicant.familiar;
    const all = familiar.size() + strangers.size();
    if (all < waitingPlaces && (known || strangers.size() < strangersPlaces)) return true;
    // Strangers hold less than their share, so the familiar lines hold more than theirs.
    const short = !known && strangers.size() < strangersPlaces;
    const mine = known ? familiar : strangers;
    const dropped = short ? familiar.dropLast() : mine.dropLast(applicant);
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
    const { block, domain } = applicant;
    await waitIn(lines, { block, domain }, { mostWaitMs, late: busy });
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

/** Places in front of the look-ups for each one in the hash queue. */
const LOOK_UPS_FOR_EACH_HASH = 4;

/**
 * Creates the queue in front of the look-ups of a login, which come before the hash queue. Their
 * database connections are given out in the order of the requests. Without turns here, a flood of
 * logins would hold them all, and keep the others out before they reach the hash queue. It uses at
 * most half of the connections.
 */
export const createLookUpQueue = (
  config: Pick<Config, 'hashQueueLimit' | 'databasePoolSize' | 'databaseWaitMs'>,
): FairQueue => {
  const width = Math.floor(config.databasePoolSize / 2);
  const places = width + LOOK_UPS_FOR_EACH_HASH * config.hashQueueLimit;
  return createFairQueue(places, width, config.databaseWaitMs);
};
