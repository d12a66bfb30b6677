import { argon2id, hash, needsRehash, verify } from 'argon2';
import type { Config } from '../config';
import type { Random } from '../context';
import { AppError } from '../errors';

export interface PasswordHasher {
  hash(password: string): Promise<string>;
  /** @returns whether the password fits; false also for a stored value that is no hash */
  verify(stored: string, password: string): Promise<boolean>;
  /** The same work as {@link PasswordHasher.verify} for an account that does not exist. Always false. */
  verifyNothing(password: string): Promise<boolean>;
  /** Whether the stored hash was made at another cost than today's. */
  isOutdated(stored: string): boolean;
  /**
   * Runs a sign-in with a place in the queue reserved from its very start.
   * @throws AppError HASHING_BUSY where all places are taken, before anything is counted or begun
   */
  admit<T>(signIn: () => Promise<T>): Promise<T>;
}

type HashingConfig = Pick<Config, 'argon2' | 'hashConcurrency' | 'hashQueueLimit'>;

/**
 * NIST SP 800-63B-4 3.1.1.2: normalised before hashing, so that one password typed on two keyboards is one
 * password.
 */
const normalise = (password: string) => password.normalize('NFKC');

/** Lets `concurrency` jobs run at once; the others wait in order. */
function createHashQueue(concurrency: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async function run<T>(job: () => Promise<T>): Promise<T> {
    if (running >= concurrency) await new Promise<void>((start) => waiting.push(start));
    else running += 1;
    try {
      return await job();
    } finally {
      // The place is handed on, not freed and taken again: nobody can slip in between.
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}

/** Past so many sign-ins at once, memory would be the queue: the next one is told to come back. */
function createAdmission(places: number): PasswordHasher['admit'] {
  let admitted = 0;
  return async (signIn) => {
    if (admitted >= places) throw new AppError('HASHING_BUSY', { headers: { 'retry-after': '2' } });
    admitted += 1;
    try {
      return await signIn();
    } finally {
      admitted -= 1;
    }
  };
}

/** argon2id (RFC 9106) behind a bounded queue; the cost is the configuration's. */
export function createPasswordHasher(config: HashingConfig, random: Random): PasswordHasher {
  const { memoryKib: memoryCost, timeCost } = config.argon2;
  const cost = { memoryCost, timeCost, parallelism: 1 };
  const run = createHashQueue(config.hashConcurrency);
  const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  // The hash of nothing: no password fits it, and refusing one costs what refusing any other does.
  const nobody = `$argon2id$v=19$m=${memoryCost},t=${timeCost},p=1$${base64(random.bytes(16))}$${base64(random.bytes(32))}`;

  async function verifyStored(stored: string, password: string): Promise<boolean> {
    return run(() => verify(stored, normalise(password)).catch(() => false));
  }
  return {
    hash: (password) => run(() => hash(normalise(password), { ...cost, type: argon2id })),
    verify: verifyStored,
    async verifyNothing(password) {
      await verifyStored(nobody, password);
      return false;
    },
    isOutdated: (stored) => needsRehash(stored, cost),
    admit: createAdmission(config.hashConcurrency + config.hashQueueLimit),
  };
}
