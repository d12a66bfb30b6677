import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import request from 'supertest';
import { startEmbeddedPostgres } from '@/server/embedded/embeddedPostgres';
import type { EmbeddedPostgres } from '@/server/embedded/embeddedPostgres';
import { migrate } from '@/server/schema/migrations/migrate';
import { WAITS_FOR_LOCK, ask, withConnection } from '../helpers/database/askDatabase';
import { pollUntil } from '../helpers/time/pollUntil';
import { REPOSITORY, externalEnv, killServers, startServer } from '../helpers/server/serverProcess';
import type { ServerProcess } from '../helpers/server/serverProcess';
import { SEEDED_EMAIL, SEEDED_PASSWORD, seedTemplate } from '../helpers/testRun/seedTemplate';
import { startTcpProxy } from '../helpers/http/tcpProxy';
import type { TcpProxy } from '../helpers/http/tcpProxy';

const CREDENTIALS = { email: SEEDED_EMAIL, password: SEEDED_PASSWORD };
const KEY = { 'idempotency-key': 'the-first-request' };

let folder: string;
let postgres: EmbeddedPostgres;
let door: TcpProxy;
let server: ServerProcess;
let api: string;
let silence: ReturnType<typeof fallSilent>;

const startPostgres = () =>
  startEmbeddedPostgres({ dataDir: join(folder, 'data'), durable: false });
const login = () => request(api).post('/api/auth/login').send(CREDENTIALS);
const me = (token: string) =>
  request(api).get('/api/auth/me').set('authorization', `Bearer ${token}`);
const refresh = (refreshToken: string, headers: Record<string, string> = {}) =>
  request(api).post('/api/auth/refresh').set(headers).send({ refreshToken });

function exportBundle(token: string) {
  return request(api)
    .post('/api/compliance/export/bundle')
    .set({ authorization: `Bearer ${token}`, 'x-stepup-test-bypass': '1' })
    .send({ from: '2026-01-01', to: '2026-01-02', format: 'csv' });
}

function expectUnavailable(res: request.Response): void {
  expect({ status: res.status, error: res.body.error }).toStrictEqual({
    status: 503,
    error: 'DATABASE_UNAVAILABLE',
  });
  expect(Number(res.headers['retry-after'])).toBeGreaterThan(0);
  expect(JSON.stringify(res.body)).not.toContain(new URL(postgres.url).password);
}

/** Returns the newest tokens of a session's chain, oldest first. */
const chainOf = (sessionId: string) =>
  ask<{ revoke_reason: string | null }>(
    postgres.url,
    'SELECT revoke_reason FROM refresh_tokens WHERE session_id = $1 ORDER BY created_at, id',
    [sessionId],
  );

const somebodyWaits = () =>
  pollUntil(
    'a request waits for a lock',
    () => ask(postgres.url, WAITS_FOR_LOCK),
    (rows) => rows.length > 0,
  );

/** Observes a separate server whose database stops answering. */
async function fallSilent() {
  const silent = await startTcpProxy(process.env['DATABASE_URL'] ?? '');
  const other = startServer({
    ...externalEnv(silent.url),
    DATABASE_POOL_SIZE: '2',
    DATABASE_WAIT_MS: '3000',
    DATABASE_STATEMENT_TIMEOUT_MS: '8000',
  });
  const url = await other.url();
  const signIn = () => request(url).post('/api/auth/login').send(CREDENTIALS);
  const { accessToken } = (await signIn()).body;
  const whoAmI = () =>
    request(url).get('/api/auth/me').set('authorization', `Bearer ${accessToken}`);
  silent.set('hang');
  const began = Date.now();
  const ready = request(url).get('/health/ready');
  const answers = await Promise.all([whoAmI(), whoAmI(), whoAmI(), whoAmI(), signIn(), ready]);
  const seconds = (Date.now() - began) / 1000;
  silent.set('refuse');
  silent.set('forward');
  const afterwards = [(await whoAmI()).status, (await signIn()).status];
  silent.set('hang');
  other.signal('SIGTERM');
  const exitCode = await other.exited;
  await silent.close();
  return { statuses: answers.map(({ status }) => status), seconds, afterwards, exitCode };
}

beforeAll(async () => {
  // Its waiting time overlaps with the other tests. The last test checks the result.
  silence = fallSilent();
  silence.catch(() => undefined);
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-faults-'));
  chmodSync(folder, 0o711);
  postgres = await startPostgres();
  await migrate(postgres.url, join(REPOSITORY, 'migrations'));
  await seedTemplate(postgres.url);
  await ask(postgres.url, `UPDATE tenant_staff SET permissions = '{SETTINGS_SECURITY_VIEW}'`);
  door = await startTcpProxy(postgres.url);
  server = startServer({ ...externalEnv(door.url), LOG_LEVEL: 'silent' });
  api = await server.url();
});

afterEach(() => {
  expect(server.hasExited()).toBe(false);
});

afterAll(async () => {
  await killServers();
  await door.close();
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('a database that is gone', () => {
  it('is answered with 503 and Retry-After, never 401, and all tokens are good when it is back', async () => {
    const { accessToken, refreshToken } = (await login()).body;
    await postgres.stop();
    for (const ask of [login, () => me(accessToken), () => refresh(refreshToken)]) {
      expectUnavailable(await ask());
    }
    expectUnavailable(await exportBundle(accessToken));
    expectUnavailable(
      await request(api)
        .post('/api/security/step-up/verify')
        .set('authorization', `Bearer ${accessToken}`)
        .send({ code: '123456', purpose: 'data_export' }),
    );
    expect((await request(api).get('/health/live')).status).toBe(200);
    expect((await request(api).get('/health/ready')).status).toBe(503);

    postgres = await startPostgres();
    door.aimAt(postgres.url);
    expect((await me(accessToken)).status).toBe(200);
    expect((await refresh(refreshToken)).status).toBe(200);
    expect((await login()).status).toBe(200);
    expect((await exportBundle(accessToken)).status).toBe(200);
    expect((await request(api).get('/health/ready')).status).toBe(200);
  });

  it('serves at full strength after connections were cut in the middle of many transactions', async () => {
    // More logins than the pool has connections, so that a connection lost to a broken transaction
    // would be noticed.
    for (let round = 0; round < 3; round += 1) {
      await withConnection(postgres.url, async (holder) => {
        await holder.query('BEGIN; SELECT id FROM tenant_staff FOR UPDATE');
        const logins = Array.from({ length: 5 }, () => login().then((res) => res));
        await pollUntil(
          'all logins wait',
          () => ask(postgres.url, WAITS_FOR_LOCK),
          (rows) => rows.length === 5,
        );
        door.set('refuse');
        for (const res of await Promise.all(logins)) expectUnavailable(res);
        door.set('forward');
      });
    }
    const all = await Promise.all(Array.from({ length: 12 }, () => login()));
    expect(all.map(({ status }) => status)).toStrictEqual(Array(12).fill(200));
  });

  it('leaves nothing of a login that it broke off', async () => {
    const count = () => ask(postgres.url, 'SELECT count(*)::int AS sessions FROM user_sessions');
    const before = await count();
    await withConnection(postgres.url, async (holder) => {
      await holder.query('BEGIN; LOCK TABLE refresh_tokens IN EXCLUSIVE MODE');
      const broken = login().then((res) => res);
      await somebodyWaits();
      door.set('refuse');
      expectUnavailable(await broken);
      door.set('forward');
    });
    expect(await count()).toStrictEqual(before);
  });
});

describe('a refresh whose database dies midway', () => {
  it('loses nothing when it dies before the commit: the same request succeeds afterwards', async () => {
    const { refreshToken, sessionId } = (await login()).body;
    await withConnection(postgres.url, async (holder) => {
      await holder.query('BEGIN');
      await holder.query('SELECT id FROM user_sessions WHERE id = $1 FOR UPDATE', [sessionId]);
      const broken = refresh(refreshToken, KEY).then((res) => res);
      const [waiting] = await somebodyWaits();
      await ask(postgres.url, 'SELECT pg_terminate_backend($1)', [waiting?.['pid']]);
      expectUnavailable(await broken);
    });
    expect(await chainOf(sessionId)).toStrictEqual([{ revoke_reason: null }]);
    const again = await refresh(refreshToken, KEY);
    expect(again.status).toBe(200);
    expect((await me(again.body.accessToken)).status).toBe(200);
  });

  it('loses nothing when it dies after the commit: the same key gets the successor', async () => {
    const { refreshToken, sessionId } = (await login()).body;
    await withConnection(postgres.url, async (holder) => {
      await holder.query('BEGIN');
      await holder.query('SELECT id FROM user_sessions WHERE id = $1 FOR UPDATE', [sessionId]);
      const broken = refresh(refreshToken, KEY).then((res) => res);
      await somebodyWaits();
      door.watchFor('COMMIT', () => {
        door.set('mute');
        return true;
      });
      await holder.query('ROLLBACK');
      await pollUntil(
        'the rotation is committed',
        () => chainOf(sessionId),
        (rows) => rows.length === 2,
      );
      door.watchFor('COMMIT', () => true);
      door.set('refuse');
      expectUnavailable(await broken);
      door.set('forward');
    });
    const again = await refresh(refreshToken, KEY);
    expect(again.status).toBe(200);
    expect(await chainOf(sessionId)).toStrictEqual([
      { revoke_reason: 'rotation' },
      { revoke_reason: null },
    ]);
    expect((await refresh(again.body.refreshToken)).status).toBe(200);
  });
});

describe('a database that falls silent without hanging up', () => {
  it('is answered with 503 in bounded time, and the process recovers, drains and ends', async () => {
    const { statuses, seconds, afterwards, exitCode } = await silence;
    expect(statuses).toStrictEqual(Array(6).fill(503));
    expect(seconds).toBeLessThan(60);
    expect(afterwards).toStrictEqual([200, 200]);
    expect(exitCode).toBe(0);
  });
});
