import { argon2id, hash, needsRehash, verify } from 'argon2';
import type { Config } from '../../config';
import type { Clock, Random } from '../../context';
import { MINUTE_MS } from '../../durations';
import { createFairQueue } from '../fairQueue';
import type { FairQueue } from '../fairQueue';

export interface PasswordHasher extends FairQueue {
  hash(password: string): Promise<string>;
  /**
   * Compares a password with a stored hash, and does the same work if there is none. One hash is
   * computed for each cost in use, so the time reveals neither whether the account exists nor the
   * cost of its hash.
   * @param stored null for an account that does not exist, or whose password must not be checked;
   * the answer is false then
   * @returns whether the password matches; false also for a stored value that is not a hash
   */
  verify(stored: string | null, password: string): Promise<boolean>;
  /** Returns whether the stored hash was made with another cost than the configured one. */
  isOutdated(stored: string): boolean;
}

type HashingConfig = Pick<Config, 'argon2' | 'hashConcurrency' | 'hashQueueLimit'>;

/**
 * NIST SP 800-63B-4 3.1.1.2: normalised before hashing, so that a password typed on two keyboards
 * gives the same hash.
 */
const normalise = (password: string) => password.normalize('NFKC');

/** Creates a queue that runs `concurrency` jobs at once; the others wait in order. */
function createHashQueue(concurrency: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async function run<T>(job: () => Promise<T>): Promise<T> {
    if (running >= concurrency) await new Promise<void>((start) => waiting.push(start));
    else running += 1;
    try {
      return await job();
    } finally {
      // Hand the place on directly. If it were released and taken again, another job could slip in
      // between.
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}

const COST = /^\$argon2(?:id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+(?=\$)/;
/**
 * @returns the algorithm and cost at the beginning of a hash, or undefined if the value is not a
 * hash
 */
export const costOf = (stored: string): string | undefined => COST.exec(stored)?.[0];

/**
 * How long the list of costs in the database is cached. A new cost is also learnt from the first
 * hash that has it.
 */
const COSTS_KEPT_MS = 10 * MINUTE_MS;

/**
 * Tracks the costs of the existing hashes. Without it, an account whose hash has an earlier,
 * cheaper cost would answer sooner than one that does not exist.
 */
function createCosts(today: string, clock: Clock, read: () => Promise<string[]>) {
  let seen = new Set([today]);
  let readAt: number | undefined;
  let reading: Promise<void> | undefined;

  async function look(now: number): Promise<void> {
    try {
      seen = new Set([today, ...(await read())]);
      readAt = now;
    } catch {
      // Use the costs known so far; the next sign-in reads the list again.
    } finally {
      reading = undefined;
    }
  }

  return async function inUse(stored: string | null): Promise<string[]> {
    const now = clock.now().getTime();
    if (readAt === undefined || now - readAt > COSTS_KEPT_MS) await (reading ??= look(now));
    const own = stored === null ? undefined : costOf(stored);
    if (own !== undefined) seen.add(own);
    return [...seen].sort();
  };
}

export interface HasherDeps {
  random: Random;
  clock: Clock;
  /** Reads the costs of all stored hashes, in the form that {@link costOf} returns. */
  readCosts: () => Promise<string[]>;
}

/**
 * Creates the password hasher: argon2id (RFC 9106) behind a bounded queue, with the configured
 * cost.
 */
export function createPasswordHasher(config: HashingConfig, deps: HasherDeps): PasswordHasher {
  const { memoryKib: memoryCost, timeCost } = config.argon2;
  const cost = { memoryCost, timeCost, parallelism: 1 };
  const today = `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=1`;
  const { hashConcurrency, hashQueueLimit } = config;
  const places = hashConcurrency + hashQueueLimit;
  const run = createHashQueue(hashConcurrency);
  const costsInUse = createCosts(today, deps.clock, deps.readCosts);
  const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  // A random salt and output: no password matches, and comparing costs as much as with a real hash
  // of that cost.
  const [salt, output] = [base64(deps.random.bytes(16)), base64(deps.random.bytes(32))];
  const fits = (stored: string, password: string) =>
    run(() => verify(stored, normalise(password)).catch(() => false));

  return {
    // Admit twice as many as are hashed at once: while one takes its try in the database, another
    // is hashed.
    ...createFairQueue(places, Math.min(places, 2 * hashConcurrency)),
    hash: (password) => run(() => hash(normalise(password), { ...cost, type: argon2id })),
    async verify(stored, password) {
      const own = stored === null ? undefined : costOf(stored);
      let found = false;
      for (const inUse of await costsInUse(stored)) {
        const nobody = `${inUse}$${salt}$${output}`;
        const right = await fits(inUse === own && stored !== null ? stored : nobody, password);
        if (inUse === own) found = right;
      }
      return found;
    },
    isOutdated: (stored) => needsRehash(stored, cost),
  };
}
