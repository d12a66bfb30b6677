import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { and, asc, eq, like, sql } from 'drizzle-orm';
import { endDeadExports } from '@/server/compliance/endDeadExports';
import { db } from '@/server/db';
import { auditLogs } from '@/server/db/schema';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { recordAudit } from '@/server/audit';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { externalEnv, killServers, startServer } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';

const range = { from: '2026-01-01', to: '2026-12-31', format: 'csv' };
const ROWS = 7500;
const nodes = [buildApp().deps, buildApp().deps];

afterAll(killServers);

/**
 * Creates a person with so many events that an export waits for its reader. The text is random, so
 * that it cannot be compressed.
 */
async function seedOfficer(rows = ROWS): Promise<SeededAuth> {
  const seeded = await seedTestUserAndToken({ permissions: ['SETTINGS_SECURITY_VIEW'] });
  await db.execute(sql`INSERT INTO audit_logs
    (tenant_id, occurred_at, action, outcome, actor, correlation_id, user_agent)
    SELECT ${seeded.tenantId}, '2026-06-01'::timestamptz + n * interval '1 second', 'AUTH_LOGIN_FAILED',
      'failure', 'anonymous', gen_random_uuid()::text,
      (SELECT string_agg(encode(sha256((n * 100 + part)::text::bytea), 'hex'), '') FROM generate_series(1, 40) AS part)
    FROM generate_series(1, ${rows}) AS n`);
  return seeded;
}

/** Requests the bundle and reads nothing, so that the export waits for its reader. */
async function beginExport(url: string, { token }: SeededAuth): Promise<IncomingMessage> {
  const req = request(`${url}/api/compliance/export/bundle`, {
    method: 'POST',
    agent: false,
    headers: {
      authorization: `Bearer ${token}`,
      'x-stepup-test-bypass': '1',
      'x-correlation-id': 'the-export',
      'content-type': 'application/json',
    },
  });
  req.on('error', () => undefined);
  req.end(JSON.stringify(range));
  const [res] = (await once(req, 'response')) as [IncomingMessage];
  res.on('error', () => undefined);
  expect(res.statusCode).toBe(200);
  return res;
}

const exportsOf = ({ tenantId }: SeededAuth) =>
  db
    .select()
    .from(auditLogs)
    .where(and(eq(auditLogs.tenantId, tenantId), like(auditLogs.action, 'DATA_EXPORT_%')))
    .orderBy(asc(auditLogs.occurredAt), asc(auditLogs.id));

const endAll = async () =>
  (await Promise.all(nodes.map((node) => endDeadExports(node)))).reduce((sum, one) => sum + one, 0);

const actions = async (who: SeededAuth) => (await exportsOf(who)).map(({ action }) => action);

describe('an export whose process is killed in the middle', () => {
  it('gets its end from another node, once though several look; while it runs, none says that it is over', async () => {
    const who = await seedOfficer();
    const victim = startServer(externalEnv());
    const res = await beginExport(await victim.url(), who);
    expect(await endAll()).toBe(0);
    victim.signal('SIGKILL');
    await victim.exited;
    res.destroy();
    let ended = 0;
    await pollUntil(
      'the end',
      async () => (ended += await endAll()),
      (count) => count > 0,
    );
    expect(ended).toBe(1);
    expect(await endAll()).toBe(0);
    const [requested, failed, ...more] = await exportsOf(who);
    expect(more).toEqual([]);
    expect(failed).toMatchObject({
      action: 'DATA_EXPORT_FAILED',
      outcome: 'failure',
      actor: 'system',
      subject: requested?.subject,
      correlationId: 'the-export',
      details: {
        kind: 'bundle',
        ...range,
        reason: 'process_ended',
        correlationIdFrom: 'client',
      },
    });
  });

  it('gets its end at the next start', async () => {
    const who = await seedOfficer();
    const victim = startServer(externalEnv());
    const res = await beginExport(await victim.url(), who);
    victim.signal('SIGKILL');
    await victim.exited;
    res.destroy();
    // The database keeps the locks until it notices that the process has died.
    await pollUntil(
      'the locks are free',
      async () =>
        (
          await db.execute(sql`SELECT FROM pg_stat_activity WHERE datname = current_database()
          AND (application_name = 'gatehouse-export-place' OR query LIKE 'COPY%' AND state = 'active')`)
        ).rows,
      (rows) => rows.length === 0,
    );
    await startServer(externalEnv()).url();
    const events = await pollUntil(
      'the end',
      () => actions(who),
      (all) => all.length > 1,
    );
    expect(events).toEqual(['DATA_EXPORT_REQUESTED', 'DATA_EXPORT_FAILED']);
  });
});

describe('an export that runs', () => {
  let url: string;
  beforeAll(async () => {
    url = await startServer(externalEnv()).url();
  });

  it('is left alone if the connection of its place breaks: its snapshot shows that it lives', async () => {
    const who = await seedOfficer();
    const res = await beginExport(url, who);
    const { rows } =
      await db.execute(sql`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
      WHERE application_name = 'gatehouse-export-place' AND datname = current_database()`);
    expect(rows).toHaveLength(1);
    expect(await endAll()).toBe(0);
    await res.resume().toArray();
    expect(await actions(who)).toEqual(['DATA_EXPORT_REQUESTED', 'DATA_EXPORT_COMPLETED']);
  });

  it('does not leave complete if its end was recorded by somebody else: an export has one end', async () => {
    const who = await seedOfficer();
    const res = await beginExport(url, who);
    const [requested] = await exportsOf(who);
    await db.transaction((tx) =>
      recordAudit(tx, operatorContext, {
        action: 'DATA_EXPORT_FAILED',
        outcome: 'failure',
        tenantId: who.tenantId,
        subject: requested?.subject ?? null,
        details: { kind: 'bundle', ...range, format: 'csv', reason: 'process_ended' },
      }),
    );
    const over = new Promise((resolve) => res.once('close', resolve));
    res.resume();
    await over;
    expect(res.complete).toBe(false);
    expect(await actions(who)).toEqual(['DATA_EXPORT_REQUESTED', 'DATA_EXPORT_FAILED']);
  });
});

it('what was put into the log by hand, in no form of an export, is passed over', async () => {
  const who = await seedOfficer(1);
  await db.execute(sql`INSERT INTO audit_logs (tenant_id, action, outcome, actor, subject, correlation_id, details)
    VALUES (${who.tenantId}, 'DATA_EXPORT_REQUESTED', 'success', 'x', 'export:odd', 'c', '{"kind": 7}')`);
  expect(await endAll()).toBe(0);
});
