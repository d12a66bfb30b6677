import { availableParallelism } from 'node:os';
import { parseUrl } from './parseUrl';
import { isProduction } from './processSettings';
import type { Mode } from './processSettings';
import { integer, text } from './settingTypes';
import type { SettingsOf } from './settingTypes';

/** The settings of passwords, their hashes, and guessing. */
export const passwordSettings = {
  ARGON2_MEMORY_KIB: integer(65_536, 8, 4_194_304),
  ARGON2_TIME_COST: integer(3, 1, 100),
  // One of libuv's four threads stays free for files and compression.
  HASH_CONCURRENCY: integer(Math.min(3, availableParallelism()), 1, 64),
  HASH_QUEUE_LIMIT: integer(96, 1, 10_000),
  PASSWORD_MIN_LENGTH: integer(15, 8, 64),
  BREACHED_PASSWORDS_FILE: text(),
  BREACHED_PASSWORDS_URL: text(),
  LOGIN_FAILURES_PER_ACCOUNT: integer(10, 1, 50),
  LOGIN_FAILURES_PER_IP: integer(100, 1, 100_000),
  LOGIN_FAILURES_GLOBAL: integer(5000, 10, 10_000_000),
};

type PasswordEnvironment = SettingsOf<typeof passwordSettings> & Mode;

/** OWASP Password Storage Cheat Sheet: the minimum for argon2id is m = 19 MiB, t = 2, p = 1. */
const ARGON2_FLOOR = { memoryKib: 19_456, timeCost: 2 };

function findCostProblems(env: PasswordEnvironment): string[] {
  const { memoryKib, timeCost } = ARGON2_FLOOR;
  if (env.NODE_ENV === 'test') return [];
  if (env.ARGON2_MEMORY_KIB >= memoryKib && env.ARGON2_TIME_COST >= timeCost) return [];
  return [`ARGON2_MEMORY_KIB and ARGON2_TIME_COST must be at least ${memoryKib} and ${timeCost}.`];
}

/** Returns the address of the service without a slash at its end, or undefined if it is invalid. */
function parseService(value: string, production: boolean): string | undefined {
  const url = parseUrl(value);
  if (!url || url.username !== '' || url.password !== '') return undefined;
  if (url.search !== '' || url.hash !== '') return undefined;
  if (url.protocol !== 'https:' && (production || url.protocol !== 'http:')) return undefined;
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

/**
 * Checks the settings of passwords.
 * @returns a sentence if argon2id is set below its minimum, which tests may do, and one if the
 * address of the service is invalid
 */
export function findPasswordProblems(env: PasswordEnvironment): string[] {
  const { BREACHED_PASSWORDS_URL: service } = env;
  if (service === undefined || parseService(service, isProduction(env))) {
    return findCostProblems(env);
  }
  return [
    ...findCostProblems(env),
    'BREACHED_PASSWORDS_URL must be the address of a range service, such as https://api.pwnedpasswords.com/range; in production with https.',
  ];
}

/** Reads settings that {@link findPasswordProblems} has accepted. */
export const readPasswordSettings = (env: PasswordEnvironment) => ({
  argon2: { memoryKib: env.ARGON2_MEMORY_KIB, timeCost: env.ARGON2_TIME_COST },
  hashConcurrency: env.HASH_CONCURRENCY,
  hashQueueLimit: env.HASH_QUEUE_LIMIT,
  passwordMinLength: env.PASSWORD_MIN_LENGTH,
  breachedPasswordsFile: env.BREACHED_PASSWORDS_FILE,
  breachedPasswordsUrl:
    env.BREACHED_PASSWORDS_URL === undefined
      ? undefined
      : parseService(env.BREACHED_PASSWORDS_URL, isProduction(env)),
  loginFailures: {
    perAccount: env.LOGIN_FAILURES_PER_ACCOUNT,
    perIp: env.LOGIN_FAILURES_PER_IP,
    global: env.LOGIN_FAILURES_GLOBAL,
  },
});
