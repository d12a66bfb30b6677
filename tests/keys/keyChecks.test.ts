import { randomBytes } from 'node:crypto';
import { generateSecrets } from '@/server/keyRing';
import { ask } from '../helpers/database/askDatabase';
import { closeLater } from '../helpers/server/closing';
import { operate } from '../helpers/server/operatorCommand';
import { SEEDED_EMAIL, SEEDED_PASSWORD } from '../helpers/testRun/seedTemplate';
import { startInProcess, stopServers } from '../helpers/server/serverInProcess';
import type { ServerInProcess } from '../helpers/server/serverInProcess';
import { externalEnv, killServers, startServer } from '../helpers/server/serverProcess';
import type { ServerProcess } from '../helpers/server/serverProcess';
import { createTestDatabase } from '../helpers/database/testDatabase';

afterEach(async () => {
  await killServers();
  await stopServers();
});

const WRONG_KEY = 7;
const newKey = () => randomBytes(32).toString('base64');

/** Returns a complete set of keys, all of them different from those of the run. */
function otherKeys(): NodeJS.ProcessEnv {
  const secrets = generateSecrets();
  return {
    JWT_SIGNING_KEY: secrets.jwtSigningKey,
    TOKEN_HASH_KEY: secrets.tokenHashKey,
    ENCRYPTION_KEY: secrets.encryptionKey,
    EVIDENCE_SIGNING_KEY: secrets.evidenceSigningKey,
  };
}

/**
 * Creates a database for one test.
 * @param state `fresh`: it has the checks of the run's keys; `gone`: it has none, as after an older
 *   release; `used`: it has them, and each key has written data; `used, gone`: data but no checks
 */
async function openDatabase(
  state: 'fresh' | 'gone' | 'used' | 'used, gone',
): Promise<{ url: string; env: NodeJS.ProcessEnv }> {
  const { url, drop } = await createTestDatabase(state.startsWith('used') ? used : undefined);
  closeLater(drop);
  if (state.endsWith('gone')) await forgetChecks(url);
  return { url, env: { ...externalEnv(url), LOG_LEVEL: 'silent' } };
}

const forgetChecks = (url: string) => ask(url, 'DELETE FROM key_checks');
const checksOf = (url: string) =>
  ask<{ setting: string; adopted: boolean }>(
    url,
    'SELECT setting, adopted FROM key_checks ORDER BY setting, first_used_at',
  );

const SETTINGS = ['ENCRYPTION_KEY', 'EVIDENCE_SIGNING_KEY', 'JWT_SIGNING_KEY', 'TOKEN_HASH_KEY'];
const firstChecks = SETTINGS.map((setting) => ({ setting, adopted: false }));

type Server = Pick<ServerProcess | ServerInProcess, 'exited' | 'stdout' | 'stderr' | 'url'>;

async function refusalOf(server: Server, exitCode = WRONG_KEY): Promise<string[]> {
  // A server that starts in spite of the keys would never end.
  const outcome = await Promise.race([server.exited, server.url().catch(() => server.exited)]);
  expect(outcome).toBe(exitCode);
  expect(server.stdout()).toBe('');
  return server.stderr().trimEnd().split('\n');
}

async function stop(server: ServerInProcess): Promise<void> {
  server.stop();
  expect(await server.exited).toBe(0);
}

async function signIn(url: string): Promise<void> {
  const res = await fetch(`${url}/api/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'user-agent': 'a laptop' },
    body: JSON.stringify({ email: SEEDED_EMAIL, password: SEEDED_PASSWORD }),
  });
  expect(res.status).toBe(200);
}

const enrol = (env: NodeJS.ProcessEnv) =>
  operate(env, ['staff', 'enroll-totp', '--tenant', 'test-tenant', '--email', SEEDED_EMAIL]);

/** Makes each key write data: sessions, a sealed secret, a signed checkpoint. */
async function useKeys(url: string, env: NodeJS.ProcessEnv): Promise<void> {
  const server = startInProcess(env);
  await signIn(await server.url());
  expect((await enrol(env)).code).toBe(0);
  await stop(server);
  expect(await ask(url, 'SELECT FROM audit_checkpoints')).not.toHaveLength(0);
}

/** The database from which the `used` ones are cloned. */
let used: string;

beforeAll(async () => {
  const { url, env } = await openDatabase('fresh');
  await useKeys(url, env);
  used = new URL(url).pathname.slice(1);
});

describe('a node with another key than the database is written with', () => {
  it.each(SETTINGS)(
    'refuses to start, names the setting and changes nothing: %s',
    async (setting) => {
      const { url, env } = await openDatabase('fresh');
      const before = await checksOf(url);
      const other = { ...env, [setting]: otherKeys()[setting] };
      expect(await refusalOf(startInProcess(other))).toStrictEqual([
        expect.stringMatching(
          new RegExp(`^${setting} is not the key that this database was written with: .+\\.$`),
        ),
      ]);
      expect(await checksOf(url)).toStrictEqual(before);
    },
  );

  it('names each of several', async () => {
    const { env } = await openDatabase('fresh');
    // Runs as a process, to check its exit code and that stdout stays empty.
    const lines = await refusalOf(startServer({ ...env, ...otherKeys() }));
    expect(lines.map((line) => line.split(' ')[0]).sort()).toStrictEqual(SETTINGS);
  });

  it('is kept from writing by the command line as well', async () => {
    const { url, env } = await openDatabase('fresh');
    const { code, stderr } = await enrol({ ...env, ENCRYPTION_KEY: newKey() });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ENCRYPTION_KEY is not the key/);
    expect(await ask(url, 'SELECT FROM user_totp')).toHaveLength(0);
  });

  it('is not ready any more once others write with a key that it does not know', async () => {
    const { env } = await openDatabase('fresh');
    const behind = startInProcess(env);
    const url = await behind.url();
    expect((await fetch(`${url}/health/ready`)).status).toBe(200);
    const next = { TOKEN_HASH_KEY: newKey(), TOKEN_HASH_RETIRED_KEYS: env['TOKEN_HASH_KEY'] };
    await startInProcess({ ...env, ...next }).url();
    const ready = await fetch(`${url}/health/ready`);
    expect(ready.status).toBe(503);
    const { checks } = (await ready.json()) as { checks: { keys: { reason: string } } };
    expect(checks.keys.reason).toMatch(/^TOKEN_HASH_KEY is not the key/);
    // It must not start again either.
    expect(await refusalOf(startInProcess(env))).toHaveLength(1);
  });
});

describe('the first keys of an empty database', () => {
  it('leave a check each, and of two nodes with different keys at once exactly one serves', async () => {
    const { url, env } = await openDatabase('gone');
    const nodes = [startServer(env), startServer({ ...env, ...otherKeys() })];
    const outcomes = await Promise.all(
      nodes.map((node) => Promise.race([node.url().then(() => 'serves'), node.exited])),
    );
    expect(outcomes.sort()).toStrictEqual([WRONG_KEY, 'serves']);
    expect(await checksOf(url)).toStrictEqual(firstChecks);
  });
});

describe('a database that an older release has written', () => {
  it('lets keys start that open or verify what it holds', async () => {
    const { url, env } = await openDatabase('used, gone');
    await startInProcess(env).url();
    expect(await checksOf(url)).toStrictEqual(firstChecks);
  });

  it.each(['ENCRYPTION_KEY', 'EVIDENCE_SIGNING_KEY', 'TOKEN_HASH_KEY'])(
    'refuses a key that opens and verifies nothing of it, before any check is written: %s',
    async (setting) => {
      const { url, env } = await openDatabase('used, gone');
      const other = { ...env, [setting]: otherKeys()[setting] };
      expect(await refusalOf(startInProcess(other))).toStrictEqual([
        expect.stringMatching(new RegExp(`^${setting} is not the key`)),
      ]);
      expect(await checksOf(url)).toStrictEqual([]);
    },
  );

  it('takes a key that nothing can prove on the word of an operator alone, who is recorded', async () => {
    const { url, env } = await openDatabase('used, gone');
    // As with a release that did not store what identified a device.
    await ask(url, 'UPDATE user_sessions SET device_hashes = NULL');
    expect(await refusalOf(startInProcess(env))).toStrictEqual([
      expect.stringMatching(/^TOKEN_HASH_KEY cannot be proven .*admin -- keys adopt/),
    ]);
    expect(await checksOf(url)).toStrictEqual([]);

    const adopted = await operate(env, ['keys', 'adopt']);
    expect(JSON.parse(adopted.stdout)).toStrictEqual({
      adopted: [{ setting: 'TOKEN_HASH_KEY', keyId: expect.stringMatching(/^[0-9a-f]{16}$/) }],
    });
    expect(await checksOf(url)).toContainEqual({ setting: 'TOKEN_HASH_KEY', adopted: true });
    const events = await ask(
      url,
      `SELECT actor, details->>'setting' AS setting FROM audit_logs WHERE action = 'KEY_ADOPTED'`,
    );
    expect(events).toStrictEqual([
      { actor: expect.stringMatching(/^operator:[^@\s]+@[^@\s]+$/), setting: 'TOKEN_HASH_KEY' },
    ]);
    await startInProcess(env).url();

    const again = await operate(env, ['keys', 'adopt']);
    expect([again.code, again.stdout]).toStrictEqual([1, '']);
  });

  it('does not let a key be adopted that is known to be wrong, unless the operator names its setting', async () => {
    const { url, env } = await openDatabase('used, gone');
    const other = { ...env, ENCRYPTION_KEY: newKey() };
    const refused = await operate(other, ['keys', 'adopt']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^ENCRYPTION_KEY is not the key/);
    expect(await checksOf(url)).toStrictEqual([]);
    expect((await operate(other, ['keys', 'adopt', '--setting', 'ENCRYPTION_KEY'])).code).toBe(0);
    await startInProcess(other).url();
  });
});

describe('an ENCRYPTION_KEY that was lost', () => {
  it('can be replaced on the word of an operator: nodes serve, and people enrol again', async () => {
    const { env } = await openDatabase('used');
    const other = { ...env, ENCRYPTION_KEY: newKey() };
    expect(await refusalOf(startInProcess(other))).not.toHaveLength(0);
    expect((await operate(other, ['keys', 'adopt', '--setting', 'ENCRYPTION_KEY'])).code).toBe(0);
    const serving = await startInProcess(other).url();
    expect((await fetch(`${serving}/health/ready`)).status).toBe(200);
    expect((await enrol(other)).code).toBe(0);
    // The old key is no longer a key of this database.
    expect(await refusalOf(startInProcess(env))).not.toHaveLength(0);
  });

  it('leaves the keys after it as needed as ever', async () => {
    const { env } = await openDatabase('used');
    const adopted = { ...env, ENCRYPTION_KEY: newKey() };
    expect((await operate(adopted, ['keys', 'adopt', '--setting', 'ENCRYPTION_KEY'])).code).toBe(0);
    expect((await enrol(adopted)).code).toBe(0);
    const lists = { ENCRYPTION_RETIRED_KEYS: adopted.ENCRYPTION_KEY };
    const next = { ...env, ENCRYPTION_KEY: newKey() };
    // The command adds the check of the new key, and reseals nothing.
    expect(
      (await operate({ ...next, ...lists }, ['staff', 'list', '--tenant', 'test-tenant'])).code,
    ).toBe(0);
    expect(await refusalOf(startInProcess(next))).toStrictEqual([
      expect.stringMatching(/^\d+ secrets or mails are encrypted with a key that is neither/),
    ]);
  });
});

describe('keys that protect nothing are refused', () => {
  it.each([
    [
      'all zero',
      { ENCRYPTION_KEY: Buffer.alloc(32).toString('base64') },
      /^ENCRYPTION_KEY must be 32 random bytes/,
    ],
    [
      'all bytes alike',
      { TOKEN_HASH_KEY: Buffer.alloc(32, 7).toString('base64') },
      /^TOKEN_HASH_KEY must be 32 random bytes/,
    ],
    [
      'one for two purposes',
      { TOKEN_HASH_KEY: process.env['ENCRYPTION_KEY'] },
      /^TOKEN_HASH_KEY and ENCRYPTION_KEY are the same/,
    ],
    [
      'a key as the token of the metrics',
      { METRICS_TOKEN: process.env['ENCRYPTION_KEY'] },
      /^ENCRYPTION_KEY and METRICS_TOKEN are the same/,
    ],
    [
      'retired and current at once',
      { ENCRYPTION_RETIRED_KEYS: process.env['ENCRYPTION_KEY'] },
      /^ENCRYPTION_RETIRED_KEYS contains the current ENCRYPTION_KEY/,
    ],
    [
      'retired, and too short',
      { TOKEN_HASH_RETIRED_KEYS: 'c2hvcnQ=' },
      /^TOKEN_HASH_RETIRED_KEYS must be 32 bytes/,
    ],
  ])('%s', async (_what, change, sentence) => {
    const server = startInProcess({ ...externalEnv(), ...change });
    expect(await refusalOf(server, 1)).toStrictEqual([expect.stringMatching(sentence)]);
  });
});

describe('NODE_ENV=test, which skips second proofs', () => {
  it('is refused on a database that was served in production, for ever', async () => {
    const { url, env } = await openDatabase('fresh');
    const production = {
      ...env,
      NODE_ENV: 'production',
      ALLOW_OWNER_ROLE: '1',
      SCHEMA_GUARD: 'warn',
      ARGON2_MEMORY_KIB: '',
      ARGON2_TIME_COST: '',
      HOST: '127.0.0.1',
    };
    const server = startInProcess(production);
    await server.url();
    await stop(server);
    expect(await refusalOf(startInProcess(env), 1)).toStrictEqual([
      expect.stringMatching(/^NODE_ENV=test is refused: /),
    ]);
    const [row] = await ask(
      url,
      'SELECT served_in_production_at IS NOT NULL AS served FROM installation',
    );
    expect(row).toStrictEqual({ served: true });
  });
});
