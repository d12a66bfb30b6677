import request from 'supertest';
import { createWriteProbe } from '@/server/health/writeProbe';
import { connect } from '@/server/db';
import { ask } from '../helpers/database/askDatabase';
import { closeLater } from '../helpers/server/closing';
import { listen } from '../helpers/http/listen';
import { pollUntil } from '../helpers/time/pollUntil';
import { startTcpProxy } from '../helpers/http/tcpProxy';
import { buildApp } from '../helpers/server/testApp';

const databaseUrl = process.env['DATABASE_URL'] ?? '';
const name = new URL(databaseUrl).pathname.slice(1);

/** A probe whose time the test moves. */
function openProbe(nodeId = '00000000-0000-7000-8000-000000000001') {
  const { pool, close } = connect({ url: databaseUrl, poolSize: 2, statementTimeoutMs: 5000 });
  closeLater(close);
  const time = { ms: 0 };
  return { time, nodeId, probe: createWriteProbe({ pool, nodeId, elapsed: () => time.ms }) };
}

const reconnectAll = () =>
  ask(
    databaseUrl,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'gatehouse'`,
  );
const writesOf = (nodeId: string) =>
  ask<{ probes: string }>(databaseUrl, 'SELECT probes FROM write_probes WHERE node_id = $1', [
    nodeId,
  ]);

/** Every write of a probe fails with this SQLSTATE, until it is undone. */
async function failWith(code: string): Promise<() => Promise<unknown>> {
  await ask(
    databaseUrl,
    `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '${code}'; END $$;
     CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON write_probes EXECUTE FUNCTION fail()`,
  );
  return () => ask(databaseUrl, 'DROP FUNCTION fail CASCADE');
}

describe('readiness', () => {
  it('of a database that becomes read-only is 503 and says so, and is 200 again without a restart', async () => {
    const { app, deps } = buildApp();
    expect((await request(app).get('/health/ready')).status).toBe(200);
    await ask(databaseUrl, `ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    await reconnectAll();
    const { probe, time } = openProbe();
    expect(await probe.find()).toBe('The database accepts no writes: it is read-only.');
    deps.writeProbe.find = probe.find;
    const res = await request(app).get('/health/ready');
    expect(res.status).toBe(503);
    const reason = 'The database accepts no writes: it is read-only.';
    expect(res.body.checks.writes).toStrictEqual({ ok: false, reason });
    await ask(
      databaseUrl,
      `BEGIN READ WRITE; ALTER DATABASE ${name} RESET default_transaction_read_only; COMMIT`,
    );
    await reconnectAll();
    time.ms += 5000;
    // A connection that was cut is found to be so by its next use.
    await pollUntil(
      'it is ready again',
      async () => (await request(app).get('/health/ready')).status,
      (status) => status === 200,
    );
  });

  it.each([
    ['53100', 'The database accepts no writes: its disk is full.'],
    ['25006', 'The database accepts no writes: it is read-only.'],
    ['42501', 'The database refused a write.'],
    ['57014', 'The database cannot be reached.'],
  ])(
    'names a write that fails with %s on a live connection, and recovers',
    async (code, reason) => {
      const { probe, time } = openProbe();
      expect(await probe.find()).toBeUndefined();
      const undo = await failWith(code);
      // Within five seconds the last answer holds.
      time.ms += 4999;
      expect(await probe.find()).toBeUndefined();
      time.ms += 1;
      expect(await probe.find()).toBe(reason);
      await undo();
      expect(await probe.find()).toBe(reason);
      time.ms += 5000;
      expect(await probe.find()).toBeUndefined();
    },
  );

  it('of a database that cannot be reached is 200 as soon as it can be', async () => {
    const proxy = await startTcpProxy(databaseUrl);
    closeLater(() => proxy.close());
    const { app } = buildApp({ databaseUrl: proxy.url });
    const status = async () => (await request(app).get('/health/ready')).status;
    expect(await status()).toBe(200);
    proxy.set('refuse');
    // Within the five seconds the answer of the last write holds; the other checks fail.
    expect(await status()).toBe(503);
    const { pool, close } = connect({ url: proxy.url, poolSize: 1, statementTimeoutMs: 5000 });
    closeLater(close);
    const probe = createWriteProbe({ pool, nodeId: '00000000-0000-7000-8000-000000000003' });
    expect(await probe.find()).toBe('The database cannot be reached.');
    proxy.set('forward');
    expect(await probe.find()).toBeUndefined();
    expect(await status()).toBe(200);
  });

  it('of 200 callers at once makes one write, and no audit event', async () => {
    const { app, deps } = buildApp();
    const { probe, nodeId, time } = openProbe('00000000-0000-7000-8000-000000000002');
    deps.writeProbe.find = probe.find;
    const events = () => ask(databaseUrl, 'SELECT action, details FROM audit_logs ORDER BY id');
    const before = await events();
    const url = await listen(app);
    const storm = () =>
      Promise.all(Array.from({ length: 200 }, () => fetch(`${url}/health/ready`)));
    const statuses = (await storm()).map(({ status }) => status);
    expect(statuses).toStrictEqual(Array(200).fill(200));
    expect(await writesOf(nodeId)).toStrictEqual([{ probes: '1' }]);
    time.ms += 5000;
    await storm();
    expect(await writesOf(nodeId)).toStrictEqual([{ probes: '2' }]);
    expect(await events()).toStrictEqual(before);
  });

  it('purges the rows of nodes that are gone for an hour, and of no others', async () => {
    await ask(
      databaseUrl,
      `INSERT INTO write_probes (node_id, probed_at) VALUES
         ('00000000-0000-7000-8000-00000000000a', now() - interval '61 minutes'),
         ('00000000-0000-7000-8000-00000000000b', now() - interval '59 minutes')`,
    );
    await openProbe().probe.find();
    expect(await writesOf('00000000-0000-7000-8000-00000000000a')).toStrictEqual([]);
    expect(await writesOf('00000000-0000-7000-8000-00000000000b')).toHaveLength(1);
  });
});
