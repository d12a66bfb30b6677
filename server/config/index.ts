import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { objectionsToCheckpoints, readCheckpointSettings } from './checkpointSettings';
import { objectionsToEventFeed, readEventFeedSettings } from './eventFeedSettings';
import { objectionToDatabaseUrl, spellOutTlsMode } from './databaseSettings';
import { EnvironmentFileError, addEnvironmentFile } from './environmentFile';
import { readOperators } from './findOperator';
import { findHttpProblems, readHttpSettings } from './httpSettings';
import { SECRET_SETTINGS, objectionsToKeys, readSecrets } from './keySettings';
import type { KeySetting, Secrets } from './keySettings';
import { objectionsToMail, readMailSettings } from './mailSettings';
import { describeSettingFault } from './settingFault';
import { findUnknownSettings } from './unknownSettings';
import { databasePooler } from './poolerSettings';
import { findWebauthnProblems, readWebauthn } from './webauthnSettings';

/** A setting is missing or invalid: `problems` holds one sentence for each. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
  }
}

export type { Secrets } from './keySettings';

const emptyIsUnset = (value: unknown) => (value === '' ? undefined : value);
const integer = (fallback: number, min: number, max: number) =>
  z.preprocess(emptyIsUnset, z.coerce.number().int().min(min).max(max).default(fallback));
const optionalInteger = (min: number, max: number) =>
  z.preprocess(emptyIsUnset, z.coerce.number().int().min(min).max(max).optional());
const text = () => z.preprocess(emptyIsUnset, z.string().optional());
const flag = () =>
  z.preprocess(
    emptyIsUnset,
    z
      .enum(['true', 'false', '1', '0'])
      .optional()
      .transform((value) => (value === undefined ? undefined : value === 'true' || value === '1')),
  );

/** OWASP Password Storage Cheat Sheet: the minimum for argon2id is m = 19 MiB, t = 2, p = 1. */
const ARGON2_FLOOR = { memoryKib: 19_456, timeCost: 2 };
const DAY_SEC = 86_400;

export const settings = z.object({
  NODE_ENV: z.preprocess(
    emptyIsUnset,
    z.enum(['development', 'test', 'production']).default('development'),
  ),
  PORT: integer(3000, 0, 65_535),
  HOST: text(),
  LOG_LEVEL: z.preprocess(
    emptyIsUnset,
    z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  ),
  DATABASE_URL: text(),
  DATABASE_POOL_SIZE: integer(10, 2, 200),
  DATABASE_WAIT_MS: integer(3000, 100, 60_000),
  DATABASE_STATEMENT_TIMEOUT_MS: integer(8000, 1000, 60_000),
  DATABASE_POOLER: databasePooler,
  GATEHOUSE_DATA_DIR: z.preprocess(emptyIsUnset, z.string().default('.gatehouse')),
  MIGRATE_ON_BOOT: flag(),
  SCHEMA_GUARD: z.preprocess(emptyIsUnset, z.enum(['enforce', 'warn']).optional()),
  SCHEMA_KNOWN_ROLES: text(),
  ALLOW_OWNER_ROLE: flag(),
  SCHEMA_CHECK_INTERVAL_SEC: integer(60, 1, 3600),
  MIGRATED_BY: text(),
  OPERATOR: text(),
  RELEASE: text(),
  TRUST_PROXY: text(),
  REQUEST_TIMEOUT_SEC: integer(30, 1, 300),
  HEADERS_TIMEOUT_SEC: optionalInteger(1, 300),
  KEEP_ALIVE_TIMEOUT_SEC: integer(75, 1, 3600),
  DRAIN_DELAY_SEC: optionalInteger(0, 300),
  CORS_ORIGINS: text(),
  // The same on every node, whatever its port, because each node must accept the tokens of the
  // others.
  JWT_ISSUER: z.preprocess(emptyIsUnset, z.string().default('urn:gatehouse')),
  JWT_AUDIENCE: z.preprocess(emptyIsUnset, z.string().default('gatehouse')),
  JWT_SIGNING_KEY: text(),
  JWT_RETIRED_KEYS: text(),
  TOKEN_HASH_KEY: text(),
  TOKEN_HASH_RETIRED_KEYS: text(),
  ENCRYPTION_KEY: text(),
  ENCRYPTION_RETIRED_KEYS: text(),
  EVIDENCE_SIGNING_KEY: text(),
  EVIDENCE_RETIRED_KEYS: text(),
  AUDIT_CHECKPOINT_FILE: text(),
  AUDIT_CHECKPOINT_WEBHOOK: text(),
  AUDIT_CHECKPOINT_WEBHOOK_TOKEN: text(),
  AUDIT_EVENT_WEBHOOK: text(),
  AUDIT_EVENT_WEBHOOK_TOKEN: text(),
  AUDIT_EVENT_WEBHOOK_FORMAT: text(),
  AUDIT_EVENT_WEBHOOK_START: text(),
  ACCESS_TOKEN_TTL_SEC: integer(300, 30, 900),
  REFRESH_IDLE_SEC: integer(7 * DAY_SEC, 60, 30 * DAY_SEC),
  REFRESH_ABSOLUTE_SEC: integer(30 * DAY_SEC, 60, 30 * DAY_SEC),
  REFRESH_SHORT_SEC: integer(DAY_SEC / 2, 60, 30 * DAY_SEC),
  REFRESH_SHORT_IDLE_SEC: integer(7200, 60, 30 * DAY_SEC),
  LOST_ANSWER_SEC: integer(600, 0, 3600),
  STEP_UP_MAX_WINDOW_SEC: integer(900, 30, 900),
  WEBAUTHN_RP_ID: text(),
  WEBAUTHN_ORIGINS: text(),
  ARGON2_MEMORY_KIB: integer(65_536, 8, 4_194_304),
  ARGON2_TIME_COST: integer(3, 1, 100),
  // One of libuv's four threads stays free for files and compression.
  HASH_CONCURRENCY: integer(Math.min(3, availableParallelism()), 1, 64),
  HASH_QUEUE_LIMIT: integer(96, 1, 10_000),
  ANOMALY_TIMEOUT_MS: integer(250, 1, 5000),
  GEOIP_DB: text(),
  GEOIP_ASN_DB: text(),
  IP_LISTS: text(),
  RISK_DECISIONS_KEEP_DAYS: integer(400, 31, 3650),
  SESSIONS_KEEP_DAYS: integer(30, 1, 3650),
  CHALLENGES_KEEP_DAYS: integer(30, 1, 3650),
  METRICS_TOKEN: text(),
  SMTP_URL: text(),
  // Three times this timeout must stay shorter than a node's claim on a mail.
  SMTP_TIMEOUT_MS: integer(10_000, 100, 20_000),
  MAIL_FROM: text(),
  PUBLIC_URL: text(),
  PASSWORD_MIN_LENGTH: integer(15, 8, 64),
  LOGIN_FAILURES_PER_ACCOUNT: integer(10, 1, 50),
  LOGIN_FAILURES_PER_IP: integer(100, 1, 100_000),
  LOGIN_FAILURES_GLOBAL: integer(5000, 10, 10_000_000),
});

type Settings = z.infer<typeof settings>;

function missingSettings(env: Settings): string[] {
  const problems: string[] = [];
  const secretNames = Object.keys(SECRET_SETTINGS) as KeySetting[];
  const anySecret = secretNames.some((name) => env[name] !== undefined);
  if (env.NODE_ENV === 'production' && !env.DATABASE_URL) {
    problems.push('DATABASE_URL is missing: production needs the URL of its Postgres database.');
  }
  if (env.NODE_ENV === 'production' || anySecret) {
    for (const name of secretNames) {
      if (env[name] === undefined) {
        problems.push(`${name} is missing: set it to ${SECRET_SETTINGS[name]}.`);
      }
    }
  }
  return problems;
}

function wrongSettings(env: Settings): string[] {
  const problems: string[] = [];
  if (
    env.NODE_ENV !== 'test' &&
    (env.ARGON2_MEMORY_KIB < ARGON2_FLOOR.memoryKib || env.ARGON2_TIME_COST < ARGON2_FLOOR.timeCost)
  ) {
    problems.push(
      `ARGON2_MEMORY_KIB and ARGON2_TIME_COST must be at least ${ARGON2_FLOOR.memoryKib} and ${ARGON2_FLOOR.timeCost}.`,
    );
  }
  const objection = env.DATABASE_URL && objectionToDatabaseUrl(env.DATABASE_URL);
  if (objection) problems.push(objection);
  // Semantic Versioning 2.0.0, clause 10: the characters allowed after the plus.
  if (env.RELEASE && !/^[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*$/.test(env.RELEASE)) {
    problems.push('RELEASE may contain only letters, digits, hyphens and dots.');
  }
  if (splitNames(env.SCHEMA_KNOWN_ROLES).some((role) => role.toUpperCase() === 'PUBLIC')) {
    problems.push('SCHEMA_KNOWN_ROLES must name roles: PUBLIC means every role.');
  }
  for (const name of ['GEOIP_DB', 'GEOIP_ASN_DB', 'IP_LISTS'] as const) {
    const gone = splitNames(env[name]).some((path) => !existsSync(path));
    if (gone) problems.push(`${name} names a file that does not exist.`);
  }
  return [
    ...problems,
    ...objectionsToKeys(env, {
      METRICS_TOKEN: env.METRICS_TOKEN,
      AUDIT_CHECKPOINT_WEBHOOK_TOKEN: env.AUDIT_CHECKPOINT_WEBHOOK_TOKEN,
      AUDIT_EVENT_WEBHOOK_TOKEN: env.AUDIT_EVENT_WEBHOOK_TOKEN,
    }),
    ...findHttpProblems(env),
    ...objectionsToMail(env),
    ...objectionsToCheckpoints(env),
    ...objectionsToEventFeed(env),
    ...findWebauthnProblems(webauthnOf(env)),
  ];
}

const webauthnOf = (env: Settings) => ({
  rpId: env.WEBAUTHN_RP_ID,
  origins: splitNames(env.WEBAUTHN_ORIGINS),
  production: env.NODE_ENV === 'production',
  port: env.PORT,
});

/** Returns the folder of package.json, whether this runs from `server/` or from `dist/server/`. */
export function findProjectRoot(): string {
  let folder = __dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** @returns the version in package.json */
export function readVersion(root = findProjectRoot()): string {
  const parsed = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  return parsed.version;
}

const readDatabase = (env: Settings) => ({
  databaseUrl: env.DATABASE_URL && spellOutTlsMode(env.DATABASE_URL),
  databasePoolSize: env.DATABASE_POOL_SIZE,
  databaseWaitMs: env.DATABASE_WAIT_MS,
  databaseStatementTimeoutMs: env.DATABASE_STATEMENT_TIMEOUT_MS,
  databasePooler: env.DATABASE_POOLER,
});

function buildConfig(env: Settings) {
  const root = findProjectRoot();
  const production = env.NODE_ENV === 'production';
  return {
    nodeEnv: env.NODE_ENV,
    production,
    version: env.RELEASE ? `${readVersion(root)}+${env.RELEASE}` : readVersion(root),
    mode: env.DATABASE_URL ? ('external' as const) : ('embedded' as const),
    port: env.PORT,
    host: env.HOST ?? (production ? '0.0.0.0' : '127.0.0.1'),
    logLevel: env.LOG_LEVEL,
    ...readDatabase(env),
    dataDir: resolve(root, env.GATEHOUSE_DATA_DIR),
    migrationsDir: join(root, 'migrations'),
    examplesDir: join(root, 'examples'),
    clientFile: join(root, 'dist', 'client', 'gatehouse.js'),
    verifierDir: join(root, 'dist', 'verifier'),
    migrateOnBoot: env.MIGRATE_ON_BOOT ?? !production,
    // As with migrations, the default is lenient in development, and strict in production.
    schemaGuard: env.SCHEMA_GUARD ?? (production ? ('enforce' as const) : ('warn' as const)),
    schemaKnownRoles: splitNames(env.SCHEMA_KNOWN_ROLES),
    allowOwnerRole: env.ALLOW_OWNER_ROLE ?? false,
    ...readOperators(env),
    schemaCheckIntervalSec: env.SCHEMA_CHECK_INTERVAL_SEC,
    ...readHttpSettings(env),
    jwtIssuer: env.JWT_ISSUER,
    jwtAudience: env.JWT_AUDIENCE,
    secrets: readSecrets(env),
    accessTokenTtlSec: env.ACCESS_TOKEN_TTL_SEC,
    refreshIdleSec: env.REFRESH_IDLE_SEC,
    refreshAbsoluteSec: env.REFRESH_ABSOLUTE_SEC,
    refreshShortSec: env.REFRESH_SHORT_SEC,
    refreshShortIdleSec: Math.min(env.REFRESH_SHORT_IDLE_SEC, env.REFRESH_SHORT_SEC),
    lostAnswerSec: env.LOST_ANSWER_SEC,
    stepUpMaxWindowSec: env.STEP_UP_MAX_WINDOW_SEC,
    webauthn: readWebauthn(webauthnOf(env)),
    argon2: { memoryKib: env.ARGON2_MEMORY_KIB, timeCost: env.ARGON2_TIME_COST },
    hashConcurrency: env.HASH_CONCURRENCY,
    hashQueueLimit: env.HASH_QUEUE_LIMIT,
    anomalyTimeoutMs: env.ANOMALY_TIMEOUT_MS,
    geoipDb: env.GEOIP_DB,
    geoipAsnDb: env.GEOIP_ASN_DB,
    ipLists: splitNames(env.IP_LISTS),
    riskDecisionsKeepDays: env.RISK_DECISIONS_KEEP_DAYS,
    sessionsKeepDays: env.SESSIONS_KEEP_DAYS,
    challengesKeepDays: env.CHALLENGES_KEEP_DAYS,
    metricsToken: env.METRICS_TOKEN,
    mail: readMailSettings(env),
    checkpoints: readCheckpointSettings(env),
    eventFeed: readEventFeedSettings(env),
    passwordMinLength: env.PASSWORD_MIN_LENGTH,
    loginFailures: {
      perAccount: env.LOGIN_FAILURES_PER_ACCOUNT,
      perIp: env.LOGIN_FAILURES_PER_IP,
      global: env.LOGIN_FAILURES_GLOBAL,
    },
  };
}

const splitNames = (value: string | undefined): string[] =>
  (value ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

export type Config = Readonly<
  ReturnType<typeof buildConfig> & {
    /** One sentence for each setting that looks like one of ours but is not. */
    unknownSettings: readonly string[];
  }
>;

/** A config with a database URL and secrets, as {@link createDeps} needs it. */
export type ReadyConfig = Config & { databaseUrl: string; secrets: Secrets };

/**
 * Adds the settings of `.env` in the working directory to the environment. Call it at the start of
 * a program.
 * @throws ConfigError if the file cannot be read or used
 */
export function readEnvironmentFile({ env, cwd }: Pick<NodeJS.Process, 'env' | 'cwd'>): void {
  try {
    addEnvironmentFile(env, join(cwd(), '.env'));
  } catch (error) {
    throw error instanceof EnvironmentFileError ? new ConfigError([error.message]) : error;
  }
}

const faultsOf = (data: Settings) => [...missingSettings(data), ...wrongSettings(data)];

/**
 * Finds the remaining faults if some settings cannot be parsed, so that one start reports all of
 * them.
 */
function furtherFaults(env: NodeJS.ProcessEnv, { issues }: z.ZodError): string[] {
  const unread = new Set(issues.map(({ path }) => String(path[0])));
  // The rules for the other settings depend on NODE_ENV.
  if (unread.has('NODE_ENV')) return [];
  const rest = settings.safeParse(
    Object.fromEntries(Object.entries(env).filter(([name]) => !unread.has(name))),
  );
  if (!rest.success) return [];
  // Skip faults that compare with the default of an unparsed setting.
  const isAboutUnread = (problem: string) =>
    (problem.match(/\b[A-Z][A-Z0-9_]+\b/g) ?? []).some((name) => unread.has(name));
  return faultsOf(rest.data).filter((problem) => !isAboutUnread(problem));
}

/**
 * Reads every setting from the environment, once.
 * @param env the environment; `process.env` unless a test passes another one
 * @returns the frozen settings; `databaseUrl` and `secrets` are undefined in embedded mode
 * @throws ConfigError with one sentence for each missing or invalid setting
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const parsed = settings.safeParse(env);
  const unknown = findUnknownSettings(env, Object.keys(settings.shape));
  const problems = parsed.success
    ? faultsOf(parsed.data)
    : [...parsed.error.issues.map(describeSettingFault), ...furtherFaults(env, parsed.error)];
  // A missing setting may be present under a misspelt name.
  if (!parsed.success || problems.length > 0) throw new ConfigError([...problems, ...unknown]);
  return Object.freeze({ ...buildConfig(parsed.data), unknownSettings: unknown });
}

/**
 * Asserts that the database URL and the secrets are set.
 * @throws ConfigError if only a starting server would supply them
 */
export function requireReady(config: Config): ReadyConfig {
  const { databaseUrl, secrets } = config;
  if (databaseUrl === undefined) {
    throw new ConfigError(['DATABASE_URL is missing: only `npm start` has its own database.']);
  }
  if (secrets === undefined) throw new ConfigError(['The keys are missing: see .env.example.']);
  return { ...config, databaseUrl, secrets };
}
