import request from 'supertest';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { ask } from '../../helpers/database/askDatabase';
import { writeMigrations, readMigrations } from '../../helpers/database/migrationsFolder';
import { migrate } from '@/server/schema/migrations/migrate';
import { operate } from '../../helpers/server/operatorCommand';
import { externalEnv, killServers, startServer } from '../../helpers/server/serverProcess';
import type { ServerProcess } from '../../helpers/server/serverProcess';
import { SEEDED_EMAIL, SEEDED_PASSWORD } from '../../helpers/testRun/seedTemplate';
import { createTestDatabase } from '../../helpers/database/testDatabase';

let url: string;
let drop: () => Promise<void>;

beforeEach(async () => {
  ({ url, drop } = await createTestDatabase());
});
afterEach(async () => {
  await killServers();
  await drop();
});

const start = (env: NodeJS.ProcessEnv = {}) => startServer({ ...externalEnv(url), ...env });
const enforce = { SCHEMA_GUARD: 'enforce', LOG_LEVEL: 'silent' };

/** Expects that the server ends with this code and only sentences: no stack, nothing on stdout. */
async function refusal(server: ServerProcess, code: number): Promise<string> {
  expect(await server.exited).toBe(code);
  expect(server.stdout()).toBe('');
  expect(server.stderr()).not.toMatch(/^\s+at /m);
  return server.stderr();
}

const signIn = (on: string) =>
  request(on).post('/api/auth/login').send({ email: SEEDED_EMAIL, password: SEEDED_PASSWORD });

const DROP_INDEX = 'DROP INDEX idx_refresh_tokens_family';

describe('SCHEMA_GUARD=enforce', () => {
  it('starts on the schema that the migrations make, and on an index more', async () => {
    await ask(url, 'CREATE INDEX by_hand ON users (created_at)');
    const server = start(enforce);
    const res = await request(await server.url()).get('/health/ready');
    expect(res.status).toBe(200);
    expect(res.body.checks.schema).toStrictEqual({
      ok: true,
      findings: ['index public.users.by_hand comes from no migration'],
    });
  });

  it.each([
    [
      'an index that is missing',
      DROP_INDEX,
      /^The index public\.refresh_tokens\.idx_refresh_tokens_family is missing; the migrations make: CREATE INDEX/,
    ],
    [
      'a trigger that is switched off',
      'ALTER TABLE audit_logs DISABLE TRIGGER ALL',
      /^The trigger public\.audit_logs\.audit_logs_append_only is changed\. .* DISABLED\.$/m,
    ],
    [
      'a table that is missing',
      'DROP TABLE known_devices',
      /^The table public\.known_devices is missing/,
    ],
    [
      'a column that is missing',
      'ALTER TABLE refresh_tokens DROP COLUMN device_info',
      /^The column public\.refresh_tokens\.device_info is missing; the migrations make: text\.$/m,
    ],
  ])('refuses to start over %s, names it, and ends with 5', async (_what, change, sentence) => {
    await ask(url, change);
    const said = await refusal(start(enforce), 5);
    expect(said).toMatch(sentence);
    expect(said.trimEnd()).toMatch(/SCHEMA_GUARD=warn\.$/);
  });

  it('is what production does unless told otherwise', async () => {
    await ask(url, DROP_INDEX);
    const production = { NODE_ENV: 'production', ARGON2_MEMORY_KIB: '', ARGON2_TIME_COST: '' };
    const quietly = { LOG_LEVEL: 'silent', ALLOW_OWNER_ROLE: '1' };
    await refusal(start({ ...production, ...quietly }), 5);
  });
});

describe('SCHEMA_GUARD=warn', () => {
  it('starts without a table that scoring needs, says so, and logins go on', async () => {
    await ask(url, 'DROP TABLE known_devices');
    const server = start({ SCHEMA_GUARD: 'warn' });
    const on = await server.url();
    expect(server.stdout()).toContain('SCHEMA_MISSING_TABLES');
    expect((await request(on).get('/health/ready')).status).toBe(503);
    expect((await signIn(on)).status).toBe(200);
    const events = await ask<{ details: object }>(
      url,
      `SELECT details FROM audit_logs WHERE action IN ('SCHEMA_HEALTH_FAILED', 'ANOMALY_CHECK_SKIPPED') ORDER BY id`,
    );
    expect(events.map(({ details }) => details)).toStrictEqual([
      { missing: ['known_devices'], findings: [], differences: 0 },
      { at: 'login', cause: 'schema_missing_tables' },
    ]);
  });

  it('finds what changes while it runs within the minute, and that it was mended', async () => {
    const server = start({ SCHEMA_GUARD: 'warn', SCHEMA_CHECK_INTERVAL_SEC: '1' });
    await server.url();
    const said = (code: string) =>
      pollUntil(
        `${code} is logged`,
        () => Promise.resolve(server.stdout()),
        (log) => log.includes(`"code":"${code}"`),
      );
    await ask(url, DROP_INDEX);
    await said('SCHEMA_DRIFT');
    await ask(
      url,
      'CREATE INDEX idx_refresh_tokens_family ON refresh_tokens (coalesce(family_id, id))',
    );
    await said('SCHEMA_RESTORED');
  });
});

describe('a database that a newer release has migrated', () => {
  it('is refused with a code of its own and one plain sentence, whatever the settings', async () => {
    const all = readMigrations();
    const newest = all[all.length - 1];
    if (!newest) throw new Error('there is no migration');
    const next = { ...newest, idx: newest.idx + 1, when: newest.when + 1000, tag: '9999_next' };
    await migrate(url, writeMigrations([...all, { ...next, sql: 'CREATE TABLE next (id int)' }]));
    for (const env of [
      { MIGRATE_ON_BOOT: 'false' },
      { MIGRATE_ON_BOOT: 'true', SCHEMA_GUARD: 'warn' },
    ]) {
      const said = await refusal(start(env), 3);
      expect(said.trimEnd().split('\n')).toStrictEqual([
        expect.stringMatching(/9999_next.*newer release/),
      ]);
    }
  });
});

describe('`db check`', () => {
  it('says what the guard says, with the statement that mends it', async () => {
    await ask(url, DROP_INDEX);
    const { code, stdout } = await operate(externalEnv(url), ['db', 'check']);
    expect(code).toBe(1);
    const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: { fix: string }[] };
    expect(ok).toBe(false);
    expect(findings).toStrictEqual([
      expect.objectContaining({
        problem: 'missing',
        object: 'index public.refresh_tokens.idx_refresh_tokens_family',
      }),
    ]);
    await ask(url, findings[0]?.fix ?? '');
    expect((await operate(externalEnv(url), ['db', 'check'])).code).toBe(0);
  });
});
