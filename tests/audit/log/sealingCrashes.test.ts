import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import type { PoolClient } from 'pg';
import request from 'supertest';
import { sealNext } from '@/server/audit/log/seal';
import { ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { expectSoundLog } from '@/tests/helpers/evidence/sealedLeaves';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { externalEnv, killServers, startServer } from '@/tests/helpers/server/serverProcess';
import type { ServerProcess } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';

const { deps } = buildApp();
const sealing = { ...deps, signed: new Map<string, string>() };
const url = process.env['DATABASE_URL'] ?? '';
const sound = () => expectSoundLog(deps.keys.evidence.publicPem);
const add = (count: number, tenantId: string) =>
  ask(
    url,
    `INSERT INTO audit_logs (tenant_id, action, outcome, actor, correlation_id)
     SELECT $1, 'AUTH_TOKEN_REFRESH', 'success', 'system', 'c' FROM generate_series(1, $2::int)`,
    [tenantId, count],
  );

/** How often a server dies in this run. A thousand times were tried by hand. */
const KILLS = Number(process.env['KILLS'] ?? 6);

afterEach(killServers);

const CHUNK = 40;

/**
 * Runs one pass on a connection that breaks before its n-th statement.
 * @returns whether the pass completed
 */
async function passUntil(statement: number): Promise<boolean> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  await client.query('BEGIN');
  let left = statement;
  const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
  const breaking = (...args: unknown[]) =>
    (left -= 1) < 0 ? Promise.reject(new Error('broken')) : query(...args);
  try {
    await sealNext(sealing, { query: breaking } as unknown as PoolClient, { chunk: CHUNK });
    if (left <= 0) throw new Error('broken before COMMIT');
    await query('COMMIT');
    return true;
  } catch (error) {
    expect(String(error)).toContain('broken');
    return false;
  } finally {
    await client.end();
  }
}

describe('a sealer that dies', () => {
  it('between any two of its statements leaves a log that the next one completes', async () => {
    const tenants = [randomUUID(), randomUUID()];
    let statement = 0;
    let deaths = 0;
    // With a backlog, so that some passes sign and others do not.
    for (let whole = 0; whole < 3; statement += 1) {
      await add(CHUNK + 1, tenants[statement % 2] ?? '');
      if (await passUntil(statement)) whole += 1;
      else deaths += 1;
      if (statement % 4 === 3) await passUntil(Infinity);
    }
    expect(deaths).toBeGreaterThanOrEqual(9);
    await deps.sealer.sealNow();
    await sound();
  });

  it('is followed by another one: it takes nothing along into its grave', async () => {
    const tenant = randomUUID();
    const stuck = new Client({ connectionString: url });
    stuck.on('error', () => undefined);
    await stuck.connect();
    const { rows } = await stuck.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await stuck.query('BEGIN');
    await add(10, tenant);
    await sealNext(sealing, stuck as unknown as PoolClient);
    const waiting = deps.sealer.sealNow();
    await ask(url, 'SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
    await waiting;
    await sound();
  });
});

interface Load {
  /** How many logins and refreshes were answered with 200. */
  answered: number;
  stop(): Promise<void>;
}

/** Signs in and refreshes as fast as the server answers. A dead server is no failure. */
function load(address: string, people: { email: string; password: string }[]): Load {
  const state: Load = { answered: 0, stop: () => Promise.resolve() };
  let stopped = false;
  const workers = people.map(async ({ email, password }) => {
    while (!stopped) {
      try {
        const res = await request(address).post('/api/auth/login').send({ email, password });
        if (res.status === 200) state.answered += 1;
        const { refreshToken } = res.body as { refreshToken?: string };
        const next = await request(address).post('/api/auth/refresh').send({ refreshToken });
        if (next.status === 200) state.answered += 1;
      } catch {
        stopped = true;
      }
    }
  });
  state.stop = async () => {
    stopped = true;
    await Promise.all(workers);
  };
  return state;
}

describe('a sealer that is told to stop', () => {
  it('seals what was written last', async () => {
    const { sealer } = buildApp().deps;
    await withConnection(url, async (other) => {
      await other.query('SELECT pg_advisory_lock(7310595163817209187)');
      sealer.start();
      await add(3, randomUUID());
      const closing = sealer.close();
      await other.query('SELECT pg_advisory_unlock_all()');
      await closing;
    });
    await sound();
  });
});

describe('kill -9 under load', () => {
  it(`loses no event and leaves no gap, ${KILLS} times, with a second node beside`, async () => {
    const people = await Promise.all([1, 2, 3, 4].map(() => seedTestUserAndToken()));
    const env = { ...externalEnv(url), MIGRATE_ON_BOOT: 'false', LOG_LEVEL: 'silent' };
    const beside = startServer(env);
    const besideUrl = await beside.url();
    let answered = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const victim: ServerProcess = startServer(env);
      const loads = [load(await victim.url(), people), load(besideUrl, people.slice(0, 1))];
      const enough = 5 + ((kill * 7) % 20);
      const count = () => Promise.resolve(loads.reduce((sum, one) => sum + one.answered, 0));
      await pollUntil('there is load', count, (sum) => sum >= enough);
      victim.signal('SIGKILL');
      await victim.exited;
      await Promise.all(loads.map((one) => one.stop()));
      answered += await count();
    }
    await deps.sealer.sealNow();
    // Each answer was sent after its event was committed.
    const { length } = await ask(
      url,
      `SELECT id FROM audit_logs WHERE action IN ('AUTH_LOGIN_SUCCEEDED', 'AUTH_TOKEN_REFRESH') AND tenant_id = ANY ($1)`,
      [people.map(({ tenantId }) => tenantId)],
    );
    expect(length).toBeGreaterThanOrEqual(answered);
    await sound();
  });
});
