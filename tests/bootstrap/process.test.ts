import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import request from 'supertest';
import { WAITS_FOR_LOCK, ask, withConnection } from '../helpers/database/askDatabase';
import { pollUntil } from '../helpers/time/pollUntil';
import { externalEnv, killServers, startServer } from '../helpers/server/serverProcess';
import type { ServerProcess } from '../helpers/server/serverProcess';
import { SEEDED_EMAIL, SEEDED_PASSWORD } from '../helpers/testRun/seedTemplate';
import { createTestDatabase } from '../helpers/database/testDatabase';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-process-'));
  chmodSync(folder, 0o711);
});

afterEach(async () => {
  await killServers();
  await pollUntil('no database is left', () => Promise.resolve(databasePids()), isEmpty);
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
});

/** Finds every session that asks for the migration lock, in the database of the test. */
const MIGRATORS = `SELECT pid FROM pg_stat_activity
  WHERE datname = current_database() AND application_name LIKE 'gatehouse-migrate %'`;

const isEmpty = (list: unknown[]) => list.length === 0;
const dataDir = () => join(folder, 'data');
const embeddedEnv = () => ({
  NODE_ENV: 'test',
  GATEHOUSE_DATA_DIR: dataDir(),
  LOG_LEVEL: 'silent',
});

/** Returns the pid of the Postgres server in this test's folder, from its own file. */
function databasePids(): number[] {
  const note = join(dataDir(), 'cluster', 'postmaster.pid');
  if (!existsSync(note)) return [];
  const pid = Number(readFileSync(note, 'utf8').split('\n')[0]);
  try {
    process.kill(pid, 0);
    return [pid];
  } catch {
    return [];
  }
}

interface SignIn {
  email: string;
  password: string;
}

function shownSignIn(server: ServerProcess): SignIn | undefined {
  const [, email] = /e-mail +(\S+)/.exec(server.stdout()) ?? [];
  const [, password] = /password +(\S+)/.exec(server.stdout()) ?? [];
  return email && password ? { email, password } : undefined;
}

const signIn = (url: string, body: SignIn) => request(url).post('/api/auth/login').send(body);

/** Expects nothing on stdout, no stack, and sentences on stderr. */
async function refusalOf(server: ServerProcess, exitCode = 1): Promise<string[]> {
  expect(await server.exited).toBe(exitCode);
  expect(server.stdout()).toBe('');
  const lines = server.stderr().trimEnd().split('\n');
  for (const line of lines) expect(line).toMatch(/^[A-Z0-9].+\.$/);
  return lines;
}

async function takePort() {
  const thief = createServer().listen(0, '127.0.0.1');
  await once(thief, 'listening');
  return { port: String((thief.address() as AddressInfo).port), close: () => void thief.close() };
}

describe('the embedded mode', () => {
  it('shows a sign-in that works at the first start alone, and leaves no database running after SIGTERM', async () => {
    const first = startServer(embeddedEnv());
    const firstUrl = await first.url();
    const shown = await pollUntil(
      'the sign-in is shown',
      () => Promise.resolve(shownSignIn(first)),
      (found) => found !== undefined,
    );
    const res = await signIn(firstUrl, shown as SignIn);
    expect(res.status).toBe(200);
    expect(databasePids()).toHaveLength(1);

    const second = startServer(embeddedEnv());
    const [sentence, ...more] = await refusalOf(second);
    expect(sentence).toContain(`in use by another Gatehouse process (pid ${first.pid})`);
    expect(more).toStrictEqual([]);
    expect((await request(firstUrl).get('/health/ready')).status).toBe(200);

    first.signal('SIGTERM');
    expect(await first.exited).toBe(0);
    expect(databasePids()).toStrictEqual([]);
    expect(first.stderr()).toBe('');

    const third = startServer(embeddedEnv());
    expect((await signIn(await third.url(), shown as SignIn)).status).toBe(200);
    expect(third.stdout()).not.toMatch(/password|TOTP/);
  });

  it('keeps everything that was committed when it is killed, and starts again', async () => {
    const first = startServer(embeddedEnv());
    const firstUrl = await first.url();
    const shown = (await pollUntil(
      'the sign-in is shown',
      () => Promise.resolve(shownSignIn(first)),
      (found) => found !== undefined,
    )) as SignIn;
    const { refreshToken } = (await signIn(firstUrl, shown)).body;
    first.signal('SIGKILL');
    expect(await first.exited).toBeNull();

    const second = startServer(embeddedEnv());
    const url = await second.url();
    expect((await request(url).post('/api/auth/refresh').send({ refreshToken })).status).toBe(200);
    expect((await signIn(url, shown)).status).toBe(200);
  });

  it('ends with a sentence where the port is taken, leaves no database, and still owes the sign-in', async () => {
    const thief = await takePort();
    const refused = startServer({ ...embeddedEnv(), PORT: thief.port });
    expect(await refusalOf(refused)).toStrictEqual([
      `Port ${thief.port} is already in use: set PORT to another one.`,
    ]);
    expect(databasePids()).toStrictEqual([]);
    thief.close();

    const next = startServer(embeddedEnv());
    const url = await next.url();
    const shown = await pollUntil(
      'the sign-in is shown',
      () => Promise.resolve(shownSignIn(next)),
      (found) => found !== undefined,
    );
    expect((await signIn(url, shown as SignIn)).status).toBe(200);
  });
});

describe('SIGTERM', () => {
  const databaseUrl = () => process.env['DATABASE_URL'] ?? '';

  it('lets a request that is under way finish, takes no new one, and exits 0', async () => {
    const server = startServer(externalEnv());
    const url = await server.url();
    const agent = new Agent({ keepAlive: true });
    await withConnection(databaseUrl(), async (holder) => {
      await holder.query('BEGIN; LOCK TABLE user_sessions IN EXCLUSIVE MODE');
      const slow = request(url)
        .post('/api/auth/login')
        .agent(agent)
        .send({ email: SEEDED_EMAIL, password: SEEDED_PASSWORD })
        .then((res) => res);
      await pollUntil(
        'the login waits',
        () => ask(databaseUrl(), WAITS_FOR_LOCK),
        (rows) => rows.length > 0,
      );
      server.signal('SIGTERM');
      await pollUntil(
        'new connections are refused',
        () =>
          request(url)
            .get('/health/live')
            .then(
              () => 'answered',
              (error: Error) => error.message,
            ),
        (outcome) => outcome.startsWith('ECONNREFUSED'),
      );
      expect(server.hasExited()).toBe(false);
      await holder.query('COMMIT');
      const res = await slow;
      expect(res.status).toBe(200);
      expect(await server.exited).toBe(0);
      // The kept-alive connection must not delay the stop.
      expect(server.stdout()).not.toContain('cutting off requests');
      const [kept] = await ask(databaseUrl(), 'SELECT id FROM user_sessions WHERE id = $1', [
        res.body.sessionId,
      ]);
      expect(kept).toBeDefined();
    });
    agent.destroy();
    expect(server.stderr()).toBe('');
  });

  it('also ends a process that is only just starting', async () => {
    const server = startServer({ ...externalEnv(), LOG_LEVEL: 'silent' });
    await withConnection(databaseUrl(), async (holder) => {
      // Wherever the start is, the migration lock stops it there.
      await holder.query('SELECT pg_advisory_lock(7449363237540164979)');
      await pollUntil(
        'the start asks for the migration lock',
        () => ask(databaseUrl(), MIGRATORS),
        (rows) => rows.length > 0,
      );
      server.signal('SIGTERM');
      expect(await server.exited).toBe(0);
    });
    expect(server.stdout() + server.stderr()).toBe('');
  });
});

describe('a start with wrong settings is refused with one plain sentence each', () => {
  it.each([
    ['a proxy list of true', { TRUST_PROXY: 'true' }, /^TRUST_PROXY must name the proxies/],
    ['a proxy that is no address', { TRUST_PROXY: 'everybody' }, /^TRUST_PROXY must name/],
    [
      'hashes below the floor',
      { NODE_ENV: 'development', ARGON2_MEMORY_KIB: '19455' },
      /^ARGON2_MEMORY_KIB and ARGON2_TIME_COST must be at least 19456 and 2\.$/,
    ],
    ['a port that is none', { PORT: '70000' }, /^PORT must be a whole number of at most 65535\.$/],
    ['a key that is no PEM', { JWT_SIGNING_KEY: 'x' }, /^JWT_SIGNING_KEY is not a private key/],
    [
      'a retired key that is no PEM',
      { JWT_RETIRED_KEYS: 'not a key' },
      /^JWT_RETIRED_KEYS must contain a public key/,
    ],
    [
      'a key of the wrong kind',
      { EVIDENCE_SIGNING_KEY: process.env['JWT_SIGNING_KEY'] },
      /^EVIDENCE_SIGNING_KEY must be an Ed25519 key\.$/,
    ],
    [
      'a retired key of the wrong kind',
      {
        EVIDENCE_RETIRED_KEYS: generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
          .publicKey.export({ format: 'pem', type: 'spki' })
          .toString(),
      },
      /^EVIDENCE_RETIRED_KEYS must hold Ed25519 public keys\.$/,
    ],
    ['a key that is too short', { ENCRYPTION_KEY: 'c2hvcnQ=' }, /^ENCRYPTION_KEY must be 32 bytes/],
    [
      'a database that is no URL',
      { DATABASE_URL: 'localhost/db' },
      /^DATABASE_URL must start with/,
    ],
  ])('%s', async (_what, change, sentence) => {
    const lines = await refusalOf(startServer({ ...externalEnv(), ...change }));
    expect(lines).toStrictEqual([expect.stringMatching(sentence)]);
  });

  it('production without settings: every missing one by name, in one go', async () => {
    const lines = await refusalOf(startServer({ NODE_ENV: 'production' }));
    expect(lines.map((line) => line.split(' is missing: ')[0])).toStrictEqual([
      'DATABASE_URL',
      'JWT_SIGNING_KEY',
      'TOKEN_HASH_KEY',
      'ENCRYPTION_KEY',
      'EVIDENCE_SIGNING_KEY',
    ]);
  });

  it('a database that is out of reach: named without its password', async () => {
    const password = randomBytes(9).toString('hex');
    const url = `postgres://gatehouse:${password}@127.0.0.1:1/missing`;
    const lines = await refusalOf(startServer(externalEnv(url)));
    expect(lines).toStrictEqual([
      expect.stringMatching(
        /^The database server 127\.0\.0\.1:1 cannot be reached: nothing listens on that port\./,
      ),
    ]);
  });
});

describe('MIGRATE_ON_BOOT=false', () => {
  const MIGRATIONS = 6;

  it('refuses to start on pending migrations and changes nothing', async () => {
    const { url, drop } = await createTestDatabase('template1');
    const refused = startServer({ ...externalEnv(url), MIGRATE_ON_BOOT: 'false' });
    const lines = await refusalOf(refused, 4);
    expect(lines).toStrictEqual([
      expect.stringMatching(/^Migrations are pending \(\d+\): run `npm run admin -- db migrate`/),
    ]);
    expect(Number(/\((\d+)\)/.exec(lines[0] ?? '')?.[1])).toBeGreaterThanOrEqual(MIGRATIONS);
    expect(await ask(url, `SELECT FROM pg_namespace WHERE nspname = 'drizzle'`)).toHaveLength(0);
    await drop();
  });

  it('is what production does unless told otherwise', async () => {
    const { url, drop } = await createTestDatabase('template1');
    const env = {
      ...externalEnv(url),
      NODE_ENV: 'production',
      ALLOW_OWNER_ROLE: '1',
      ARGON2_MEMORY_KIB: '',
      ARGON2_TIME_COST: '',
    };
    const lines = await refusalOf(startServer(env), 4);
    expect(lines).toStrictEqual([expect.stringMatching(/^Migrations are pending \(\d+\)/)]);
    await drop();
  });
});
