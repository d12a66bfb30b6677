import { Agent, get } from 'node:http';
import { and, eq } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { connect } from '@/server/db';
import { runWithin } from '@/server/db/runWithin';
import { auditLogs } from '@/server/db/schema';
import { withConnection } from '@/tests/helpers/database/askDatabase';
import { closeLater } from '@/tests/helpers/server/closing';
import { externalEnv, killServers, startServer } from '@/tests/helpers/server/serverProcess';
import { startTcpProxy } from '@/tests/helpers/http/tcpProxy';
import { buildApp } from '@/tests/helpers/server/testApp';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { startTransactionPooler } from '@/tests/helpers/database/transactionPooler';
import { ABROAD, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

const { app, deps } = buildApp();
const { databaseUrl } = deps.config;
const DEADLINE_MS = 250;

async function causesOf(staffId: string): Promise<unknown[]> {
  const rows = await db
    .select()
    .from(auditLogs)
    .where(and(eq(auditLogs.actor, staffId), eq(auditLogs.action, 'ANOMALY_CHECK_SKIPPED')));
  return rows.map(({ details }) => details['cause']);
}

/** Keeps the event loop of this process busy. */
function standStill(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

/** Asks for paths that do not exist, on many connections, without an account. @returns how to stop, and how many were answered */
function askForNothing(url: string, connections: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  let answered = 0;
  let stopped = false;
  const ask = () =>
    new Promise<void>((done) => {
      const req = get(`${url}/nothing-${answered}`, { agent }, (res) => {
        answered += 1;
        res.resume();
        res.on('close', done);
      });
      req.on('error', () => done());
    });
  const lines = Array.from({ length: connections }, async () => {
    while (!stopped) await ask();
  });
  return async () => {
    stopped = true;
    await Promise.all(lines);
    agent.destroy();
    return answered;
  };
}

afterEach(killServers);

describe("the scorer's deadline", () => {
  it('does not count time in which our own event loop stood still: who would be challenged still is', async () => {
    const proxy = await startTcpProxy(databaseUrl);
    closeLater(() => proxy.close());
    const hurried = buildApp({ anomalyTimeoutMs: DEADLINE_MS, databaseUrl: proxy.url });
    const traveller = await seedTraveller(hurried.app);
    let stoodStill = 0;
    proxy.watchFor('risk_facts', () => {
      stoodStill += 1;
      standStill(8 * DEADLINE_MS);
      return true;
    });
    expect((await attemptLogin(hurried.app, traveller, ABROAD)).status).toBe(428);
    expect(stoodStill).toBeGreaterThan(0);
    expect(await causesOf(traveller.staffId)).toStrictEqual([]);
  });

  it('cannot be made to pass by 250 anonymous connections that ask for nothing', async () => {
    const travellers = [await seedTraveller(app), await seedTraveller(app)];
    // Far below what the flood makes of the loop's lag, and far above what the database needs on a busy machine.
    const env = { ...externalEnv(), ANOMALY_TIMEOUT_MS: '400', TRUST_PROXY: 'loopback' };
    const url = await startServer({ ...env, LOG_LEVEL: 'silent' }).url();
    const stop = askForNothing(url, 250);
    const logins = travellers.map(({ email, password }) =>
      request(url).post('/api/auth/login').set(ABROAD).send({ email, password }),
    );
    const answers = await Promise.all(logins).finally(() => void stop());
    expect(answers.map(({ status }) => status)).toStrictEqual([428, 428]);
    expect(await stop()).toBeGreaterThan(250);
    for (const { staffId } of travellers) expect(await causesOf(staffId)).toStrictEqual([]);
  });

  it('is kept by the database, and a statement that waits longer is a timeout', async () => {
    const hurried = buildApp({ anomalyTimeoutMs: DEADLINE_MS });
    const traveller = await seedTraveller(hurried.app);
    await withConnection(databaseUrl, async (client) => {
      await client.query('BEGIN; LOCK TABLE known_devices IN ACCESS EXCLUSIVE MODE');
      expect((await attemptLogin(hurried.app, traveller, ABROAD)).status).toBe(200);
      await client.query('ROLLBACK');
    });
    expect(await causesOf(traveller.staffId)).toStrictEqual(['timeout']);
  });

  it('holds behind a pooler that gives each transaction another session', async () => {
    const url = await startTransactionPooler(databaseUrl);
    const pooled = connect({ url, poolSize: 2, statementTimeoutMs: 8000, reserved: true });
    closeLater(() => pooled.close());
    const name = 'ask_timeout';
    const text = "SELECT current_setting('statement_timeout') AS ms";
    const [row] = await runWithin(pooled.pool, 321)<{ ms: string }>({ name, text }, []);
    expect(row?.ms).toBe('321ms');
    const { rows } = await pooled.pool.query<{ ms: string }>(text);
    expect(rows[0]?.ms).not.toBe('321ms');
  });

  it('lets a login go on if nothing comes back at all, and scores again afterwards', async () => {
    const proxy = await startTcpProxy(databaseUrl);
    closeLater(() => proxy.close());
    const behind = buildApp({ anomalyTimeoutMs: DEADLINE_MS, databaseUrl: proxy.url });
    const traveller = await seedTraveller(behind.app);
    proxy.watchFor('risk_facts', () => false);
    expect((await attemptLogin(behind.app, traveller, ABROAD)).status).toBe(200);
    expect(await causesOf(traveller.staffId)).toStrictEqual(['timeout']);
    proxy.watchFor('risk_facts', () => true);
    // On a busy machine a statement can miss so short a deadline, and that login goes on too.
    await pollUntil(
      'a login is scored again',
      () => attemptLogin(behind.app, traveller, ABROAD),
      ({ status }) => status === 428,
    );
  });
});
