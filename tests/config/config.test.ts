import { readFileSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ConfigError, loadConfig, requireReady, settings } from '@/server/config';
import { generateSecrets } from '@/server/keyRing';

const ROOT = join(__dirname, '..', '..');
const DAY_SEC = 86_400;

const secrets = generateSecrets();
const KEYS = {
  JWT_SIGNING_KEY: secrets.jwtSigningKey,
  TOKEN_HASH_KEY: secrets.tokenHashKey,
  ENCRYPTION_KEY: secrets.encryptionKey,
  EVIDENCE_SIGNING_KEY: secrets.evidenceSigningKey,
};
const EXTERNAL = { ...KEYS, DATABASE_URL: 'postgres://u:p@db.example/gatehouse' };

function problemsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

/** Returns the settings that the server reads. */
const settingsInCode = (): string[] => Object.keys(settings.shape);

/** Returns the settings that the `*Settings.ts` files define, each under the name of its file. */
async function settingsInSections(): Promise<string[]> {
  const folder = join(ROOT, 'server', 'config');
  const names = readdirSync(folder).flatMap((file) => /^(\w+Settings)\.ts$/.exec(file)?.[1] ?? []);
  const sections = await Promise.all(
    names.map(async (name) => {
      const exported = (await import(join(folder, name))) as Record<string, object | undefined>;
      return Object.keys(exported[name] ?? {});
    }),
  );
  return sections.flat();
}

/** Returns the settings in `.env.example`, commented out or not, with their values there. */
function settingsInExample(): Map<string, string> {
  const example = readFileSync(join(ROOT, '.env.example'), 'utf8');
  const lines = [...example.matchAll(/^(?:# ?)?([A-Z][A-Z0-9_]*)=(.*)$/gm)];
  return new Map(lines.map(([, name, value]) => [name ?? '', value?.trim() ?? '']));
}

describe('the defaults', () => {
  it('are those that are promised', () => {
    expect(loadConfig({})).toMatchObject({
      nodeEnv: 'development',
      mode: 'embedded',
      port: 3000,
      host: '127.0.0.1',
      logLevel: 'info',
      databaseUrl: undefined,
      secrets: undefined,
      dataDir: join(ROOT, '.gatehouse'),
      migrationsDir: join(ROOT, 'migrations'),
      migrateOnBoot: true,
      schemaCheckIntervalSec: 60,
      trustProxy: false,
      requestTimeoutSec: 30,
      headersTimeoutSec: 20,
      keepAliveTimeoutSec: 75,
      drainDelaySec: 0,
      corsOrigins: [],
      jwtIssuer: 'urn:gatehouse',
      accessTokenTtlSec: 300,
      refreshIdleSec: 7 * DAY_SEC,
      refreshAbsoluteSec: 30 * DAY_SEC,
      refreshShortSec: 12 * 3600,
      refreshShortIdleSec: 2 * 3600,
      lostAnswerSec: 600,
      stepUpMaxWindowSec: 900,
      argon2: { memoryKib: 64 * 1024, timeCost: 3 },
      hashConcurrency: Math.min(3, availableParallelism()),
      anomalyTimeoutMs: 250,
      metricsToken: undefined,
      passwordMinLength: 15,
    });
  });

  it('of production listen on every address and leave migrating to the operator', () => {
    expect(loadConfig({ NODE_ENV: 'production', ...EXTERNAL })).toMatchObject({
      production: true,
      mode: 'external',
      host: '0.0.0.0',
      migrateOnBoot: false,
      drainDelaySec: 5,
      argon2: { memoryKib: 64 * 1024, timeCost: 3 },
    });
  });

  it('hold for settings that are set to nothing', () => {
    const empty = Object.fromEntries(settingsInCode().map((name) => [name, '']));
    expect(loadConfig(empty)).toStrictEqual(loadConfig({}));
    // `Number` reads blanks as 0, which would switch off the limit.
    expect(loadConfig({ RATE_LIMIT_PER_KEY: ' ' })).toStrictEqual(loadConfig({}));
  });

  it('cannot be changed once they are read', () => {
    const config = loadConfig({}) as { port: number };
    expect(() => {
      config.port = 1;
    }).toThrow(TypeError);
  });
});

describe('the caps', () => {
  it.each([
    ['ACCESS_TOKEN_TTL_SEC', 900],
    ['REFRESH_IDLE_SEC', 30 * DAY_SEC],
    ['REFRESH_ABSOLUTE_SEC', 30 * DAY_SEC],
    ['REFRESH_SHORT_SEC', 30 * DAY_SEC],
    ['REFRESH_SHORT_IDLE_SEC', 30 * DAY_SEC],
    ['LOST_ANSWER_SEC', 3600],
    ['STEP_UP_MAX_WINDOW_SEC', 900],
    ['LOGIN_FAILURES_PER_ACCOUNT', 50],
    ['ANOMALY_TIMEOUT_MS', 5000],
    ['DATABASE_WAIT_MS', 60_000],
    ['DATABASE_STATEMENT_TIMEOUT_MS', 60_000],
    ['PORT', 65_535],
    ['REQUEST_TIMEOUT_SEC', 300],
    ['KEEP_ALIVE_TIMEOUT_SEC', 3600],
    ['DRAIN_DELAY_SEC', 300],
  ])('%s is at most %i', (name, most) => {
    expect(problemsOf({ [name]: String(most) })).toStrictEqual([]);
    expect(problemsOf({ [name]: String(most + 1) })).toStrictEqual([
      expect.stringMatching(new RegExp(`^${name} must be .+\\.$`)),
    ]);
  });

  it.each([
    ['PASSWORD_MIN_LENGTH', 8],
    ['ACCESS_TOKEN_TTL_SEC', 30],
    ['HASH_CONCURRENCY', 1],
    ['DATABASE_POOL_SIZE', 2],
    ['DATABASE_WAIT_MS', 100],
    ['DATABASE_STATEMENT_TIMEOUT_MS', 1000],
    ['REQUEST_TIMEOUT_SEC', 1],
    ['HEADERS_TIMEOUT_SEC', 1],
    ['KEEP_ALIVE_TIMEOUT_SEC', 1],
    ['DRAIN_DELAY_SEC', 0],
  ])('%s is at least %i', (name, least) => {
    expect(problemsOf({ [name]: String(least) })).toStrictEqual([]);
    expect(problemsOf({ [name]: String(least - 1) })).toHaveLength(1);
  });

  it.each([
    ['ARGON2_MEMORY_KIB', 19_456],
    ['ARGON2_TIME_COST', 2],
  ])('%s is at least %i, in every mode but test', (name, least) => {
    for (const mode of [{ NODE_ENV: 'development' }, { NODE_ENV: 'production', ...EXTERNAL }]) {
      expect(problemsOf({ ...mode, [name]: String(least) })).toStrictEqual([]);
      expect(problemsOf({ ...mode, [name]: String(least - 1) })).toStrictEqual([
        'ARGON2_MEMORY_KIB and ARGON2_TIME_COST must be at least 19456 and 2.',
      ]);
    }
    expect(problemsOf({ NODE_ENV: 'test', [name]: String(least - 1) })).toStrictEqual([]);
  });
});

describe('what is missing', () => {
  it('has one sentence each, all at once, and never a default secret', () => {
    expect(problemsOf({ NODE_ENV: 'production' })).toHaveLength(5);
    for (const env of [{ NODE_ENV: 'production', ...EXTERNAL }, EXTERNAL]) {
      for (const name of Object.keys(KEYS)) {
        expect(problemsOf({ ...env, [name]: undefined })).toStrictEqual([
          expect.stringMatching(new RegExp(`^${name} is missing: .+\\.$`)),
        ]);
      }
    }
    expect(problemsOf({ TOKEN_HASH_KEY: secrets.tokenHashKey })).toHaveLength(3);
  });

  it('is said by whoever needs a database where there is none', () => {
    expect(() => requireReady(loadConfig({}))).toThrow(/^DATABASE_URL is missing: /);
    expect(requireReady(loadConfig(EXTERNAL)).databaseUrl).toBe(EXTERNAL.DATABASE_URL);
  });
});

describe('what is wrong', () => {
  it.each([
    ['NODE_ENV', 'staging'],
    ['PORT', 'eighty'],
    ['PORT', '-1'],
    ['PORT', '80.5'],
    ['LOG_LEVEL', 'loud'],
    ['MIGRATE_ON_BOOT', 'maybe'],
    ['TRUST_PROXY', 'true'],
    ['TRUST_PROXY', '*'],
    ['TRUST_PROXY', '10.0.0.0/8, everybody'],
    ['TRUST_PROXY', '0.0.0.0/0'],
    ['TRUST_PROXY', '10.1'],
    ['TRUST_PROXY', '0.0.0.0/1,128.0.0.0/1'],
    ['TRUST_PROXY', '10.0.0.0/7'],
    ['TRUST_PROXY', '2000::/3'],
    ['TRUST_PROXY', '::ffff:0:0/96'],
    ['TRUST_PROXY', '999999'],
    ['JWT_RETIRED_KEYS', 'not a key'],
    ['EVIDENCE_RETIRED_KEYS', 'not a key'],
    ['GEOIP_DB', '/nowhere/geo.mmdb'],
    ['DATABASE_URL', 'mysql://db.example/gatehouse'],
    ['HEADERS_TIMEOUT_SEC', '31'],
    ['HEADERS_TIMEOUT_SEC', '0'],
    ['KEEP_ALIVE_TIMEOUT_SEC', '-1'],
    ['KEEP_ALIVE_TIMEOUT_SEC', 'for ever'],
    ['DRAIN_DELAY_SEC', '-1'],
    ['DRAIN_DELAY_SEC', '5s'],
    ['CORS_ORIGINS', '*'],
    ['CORS_ORIGINS', 'https://*.example.com'],
    ['CORS_ORIGINS', 'null'],
    ['CORS_ORIGINS', 'app.example.com'],
    ['CORS_ORIGINS', 'file:///srv/page.html'],
    ['CORS_ORIGINS', 'https://app.example.com/'],
    ['CORS_ORIGINS', 'https://app.example.com/login'],
    ['CORS_ORIGINS', 'https://APP.example.com'],
    ['CORS_ORIGINS', 'https://app.example.com:443'],
    ['CORS_ORIGINS', 'https://ann@app.example.com'],
    ['CORS_ORIGINS', 'https://app.example.com https://other.example.com'],
    ['CORS_ORIGINS', 'https://app.example.com,https://other.example.com/'],
    ['API_CONTACT', 'the platform team'],
    ['API_CONTACT', 'javascript:alert(1)'],
    ['API_CONTACT', 'https://ann:secret@help.example.com'],
  ])('%s=%s has one sentence that names it', (name, value) => {
    expect(problemsOf({ ...KEYS, [name]: value })).toStrictEqual([
      expect.stringMatching(new RegExp(`^${name} .+\\.$`)),
    ]);
  });

  it('is an origin of CORS_ORIGINS that is written otherwise than browsers do: the right form is named', () => {
    expect(problemsOf({ CORS_ORIGINS: 'https://APP.example.com:443/x' })).toStrictEqual([
      expect.stringMatching(/: write https:\/\/app\.example\.com for /),
    ]);
  });

  it('is an origin without https in production, but for this machine', () => {
    const production = { NODE_ENV: 'production', ...EXTERNAL };
    expect(problemsOf({ ...production, CORS_ORIGINS: 'http://app.example.com' })).toStrictEqual([
      expect.stringMatching(/^CORS_ORIGINS must use https in production: /),
    ]);
    const local = 'http://localhost:5173,http://127.0.0.1:5173,http://[::1]:5173';
    expect(problemsOf({ ...production, CORS_ORIGINS: local })).toStrictEqual([]);
    expect(problemsOf({ CORS_ORIGINS: 'http://app.example.com' })).toStrictEqual([]);
  });

  it('never repeats the value of a secret or of a URL', () => {
    const secret = 'unspeakable-value';
    const names = ['DATABASE_URL', 'JWT_RETIRED_KEYS', 'METRICS_TOKEN', ...Object.keys(KEYS)];
    const env = Object.fromEntries(names.map((name) => [name, secret]));
    expect(problemsOf({ ...env, PORT: 'x' }).join()).not.toContain(secret);
    expect(problemsOf(env).join()).not.toContain(secret);
    const withPassword = `https://ann:${secret}@app.example.com`;
    expect(problemsOf({ CORS_ORIGINS: withPassword }).join()).not.toContain(secret);
    expect(problemsOf({ API_CONTACT: withPassword }).join()).not.toContain(secret);
  });
});

describe('what is right', () => {
  it.each([
    ['TRUST_PROXY', '2', { trustProxy: 2 }],
    ['TRUST_PROXY', 'false', { trustProxy: false }],
    ['TRUST_PROXY', '16', { trustProxy: 16 }],
    ['TRUST_PROXY', '10.0.0.0/8,fc00::/7', { trustProxy: ['10.0.0.0/8', 'fc00::/7'] }],
    ['TRUST_PROXY', 'loopback, 10.0.0.0/8', { trustProxy: ['loopback', '10.0.0.0/8'] }],
    ['MIGRATE_ON_BOOT', '0', { migrateOnBoot: false }],
    ['REQUEST_TIMEOUT_SEC', '10', { requestTimeoutSec: 10, headersTimeoutSec: 10 }],
    ['API_CONTACT', 'api@example.com', { apiContact: { email: 'api@example.com' } }],
    [
      'API_CONTACT',
      'https://help.example.com/',
      { apiContact: { url: 'https://help.example.com/' } },
    ],
    ['HEADERS_TIMEOUT_SEC', '30', { requestTimeoutSec: 30, headersTimeoutSec: 30 }],
    [
      'CORS_ORIGINS',
      'https://app.example.com, http://localhost:5173',
      { corsOrigins: ['https://app.example.com', 'http://localhost:5173'] },
    ],
    ['GATEHOUSE_DATA_DIR', '/srv/gatehouse', { dataDir: '/srv/gatehouse' }],
    ['JWT_ISSUER', 'https://id.example', { jwtIssuer: 'https://id.example' }],
  ])('%s=%s is read as it is meant', (name, value, expected) => {
    expect(loadConfig({ [name]: value })).toMatchObject(expected);
  });

  it('takes a PEM on one line, with \\n for its line breaks', () => {
    const oneLine = secrets.jwtSigningKey.replaceAll('\n', '\\n');
    const config = loadConfig({ ...EXTERNAL, JWT_SIGNING_KEY: oneLine });
    expect(config.secrets?.jwtSigningKey).toBe(secrets.jwtSigningKey);
  });
});

it('every setting is defined in one section file, and every section is read', async () => {
  expect((await settingsInSections()).sort()).toStrictEqual(settingsInCode().sort());
});

describe('.env.example', () => {
  it('documents exactly the settings that are read', () => {
    expect(settingsInCode().length).toBeGreaterThan(30);
    expect([...settingsInExample().keys()].sort()).toStrictEqual(settingsInCode().sort());
  });

  it('shows the defaults: read as it is, it changes nothing', () => {
    expect(loadConfig(Object.fromEntries(settingsInExample()))).toStrictEqual(loadConfig({}));
  });
});
