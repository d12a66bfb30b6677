import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asc, eq, sql } from 'drizzle-orm';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { auditLogs } from '@/server/db/schema';
import { closeLater } from '@/tests/helpers/server/closing';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { readZip } from '@/tests/helpers/evidence/readZip';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';

const ROWS = 7500;
const range = { from: '2026-01-01', to: '2026-12-31', format: 'csv' };

let seeded: SeededAuth;
let port: number;

beforeAll(async () => {
  seeded = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
  // Random text, so that compression cannot fit the whole export into the buffers.
  await db.execute(sql`INSERT INTO audit_logs
    (tenant_id, occurred_at, action, outcome, actor, correlation_id, user_agent)
    SELECT ${seeded.tenantId}, '2026-06-01'::timestamptz + n * interval '1 second', 'AUTH_LOGIN_FAILED',
      'failure', 'anonymous', gen_random_uuid()::text,
      (SELECT string_agg(encode(sha256((n * 100 + part)::text::bytea), 'hex'), '') FROM generate_series(1, 40) AS part)
    FROM generate_series(1, ${ROWS}) AS n`);
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
  closeLater(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
});

/**
 * Requests the bundle and stops reading after the first piece, so that the export waits for its
 * reader.
 */
async function beginExport(): Promise<IncomingMessage> {
  const req = request({
    port,
    method: 'POST',
    path: '/api/compliance/export/bundle',
    agent: false,
    headers: {
      authorization: `Bearer ${seeded.token}`,
      'x-stepup-test-bypass': '1',
      'content-type': 'application/json',
    },
  });
  req.end(JSON.stringify(range));
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  res.on('error', () => undefined);
  return res;
}

const exportEvents = (action: string) =>
  db
    .select()
    .from(auditLogs)
    .where(eq(auditLogs.action, action))
    .orderBy(asc(auditLogs.occurredAt));

const failures = async () =>
  (await exportEvents('DATA_EXPORT_FAILED')).map(({ details }) => details['reason']);

const runningCopies = async () =>
  (
    await db.execute<{ pid: number }>(
      sql`SELECT pid FROM pg_stat_activity WHERE datname = current_database()
          AND query LIKE 'COPY%' AND state = 'active'`,
    )
  ).rows.map(({ pid }) => pid);

describe('an export that does not reach its end', () => {
  it('is recorded as failed when the client hangs up, and its COPY is cancelled', async () => {
    const res = await beginExport();
    expect(res.statusCode).toBe(200);
    res.destroy();
    expect(await pollUntil('the failure', failures, (all) => all.length > 0)).toEqual([
      'client_closed',
    ]);
    await pollUntil('no COPY', runningCopies, (pids) => pids.length === 0);
    expect(await exportEvents('DATA_EXPORT_COMPLETED')).toEqual([]);
  });

  it('never ends as a valid ZIP when the database dies midway, and says so in the log', async () => {
    const before = (await failures()).length;
    const res = await beginExport();
    const [pid] = await pollUntil('the COPY', runningCopies, (pids) => pids.length === 1);
    await db.execute(sql`SELECT pg_terminate_backend(${pid})`);
    const chunks: Buffer[] = [];
    res.on('data', (chunk: Buffer) => chunks.push(chunk));
    await new Promise((resolve) => res.once('close', resolve));
    expect(res.complete).toBe(false);
    await expect(readZip(Buffer.concat(chunks))).rejects.toThrow();
    const reasons = await pollUntil('the failure', failures, (all) => all.length > before);
    expect(reasons.at(-1)).toBe('database');
  });

  it('leaves no more than two at a time: the third is told to come back, and then is served', async () => {
    const first = await beginExport();
    const second = await beginExport();
    expect([first.statusCode, second.statusCode]).toEqual([200, 200]);
    const third = await beginExport();
    expect(third.statusCode).toBe(503);
    expect(Number(third.headers['retry-after'])).toBeGreaterThan(0);
    const body = (await third.toArray()).join('');
    expect(JSON.parse(body)).toMatchObject({ error: 'EXPORT_BUSY', status: 503 });
    first.destroy();
    const fourth = await pollUntil('a place', beginExport, (res) => {
      if (res.statusCode !== 200) res.destroy();
      return res.statusCode === 200;
    });
    second.destroy();
    const zip = await readZip(Buffer.concat((await fourth.toArray()) as Buffer[]));
    const lines = zip.get('audit-log.csv')?.toString('utf8').split('\r\n') ?? [];
    expect(lines.length).toBeGreaterThan(ROWS);
    expect(await exportEvents('DATA_EXPORT_COMPLETED')).toHaveLength(1);
  });
});
