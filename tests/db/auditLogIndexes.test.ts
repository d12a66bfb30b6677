import { createHash } from 'node:crypto';
import type { Client, Pool } from 'pg';
import { listEvents } from '@/server/audit/auditLogStore';
import type { AuditFilter } from '@/server/audit/auditLogStore';
import { ALL_ACTIONS } from '@/server/compliance/listAuditLogs';
import { withConnection } from '@/tests/helpers/database/askDatabase';
import { openPool } from '@/tests/helpers/database/openPool';

const url = () => process.env['DATABASE_URL'] ?? '';
const TENANT = '0190b6a0-0000-7000-8000-000000000003';
const NOBODYS = '0190b6a0-0000-7000-8000-000000000004';
/** The UUID that Postgres makes of `md5('s8')`. */
const SESSION = createHash('md5').update('s8').digest('hex');

/**
 * Inserts a year of sixty thousand events, half of them of one tenant. Few are denied, and few have
 * a given action or actor.
 */
async function fill(client: Client): Promise<void> {
  await client.query(
    `INSERT INTO audit_logs (tenant_id, occurred_at, action, outcome, actor, subject, session_id, correlation_id)
     SELECT CASE n % 2 WHEN 0 THEN $1::uuid ELSE gen_random_uuid() END, now() - make_interval(mins => n * 9),
       CASE WHEN n % 1000 = 0 THEN 'LOGIN_BLOCKED' WHEN n % 10 = 0 THEN 'AUTH_LOGOUT' ELSE 'AUTH_TOKEN_REFRESH' END,
       (CASE n % 1000 WHEN 0 THEN 'denied' ELSE 'success' END)::audit_outcome,
       'staff-' || n % 500, 'session:' || n % 3000, md5('s' || n % 3000)::uuid, 'c-' || n
     FROM generate_series(1, 60000) n`,
    [TENANT],
  );
  await client.query(
    `INSERT INTO audit_leaves (log_id, leaf_index, event_id, sealed_at, leaf_hash)
     SELECT $1, row_number() OVER (ORDER BY id), id, now(), sha256('') FROM audit_logs`,
    [TENANT],
  );
  await client.query('VACUUM ANALYZE audit_logs, audit_leaves');
}

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows'?: number;
  'Actual Loops'?: number;
  'Rows Removed by Filter'?: number;
  Plans?: PlanNode[];
}

const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

/** Explains the statements of a page while they run, and counts the events that they read. */
async function explainPage(client: Client, pool: Pool, filter: AuditFilter) {
  const statements: { text: string; values: unknown[] }[] = [];
  const spied = {
    query(text: string, values: unknown[]) {
      statements.push({ text, values });
      return pool.query(text, values);
    },
  } as unknown as Pool;
  const page = await listEvents(spied, TENANT, { filter, limit: 20, allActions: ALL_ACTIONS });
  const nodes: PlanNode[] = [];
  for (const { text, values } of statements) {
    const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
      values,
    );
    nodes.push(...nodesOf(rows[0]!['QUERY PLAN'][0].Plan));
  }
  const scans = nodes.filter((node) => node['Node Type'].includes('Scan'));
  const events = scans.filter((node) => node['Relation Name'] === 'audit_logs');
  const looked = events.map(
    (node) =>
      ((node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)) *
      (node['Actual Loops'] ?? 1),
  );
  return {
    found: page.events.length,
    // The declared types of events are few, and all of them are read.
    seqScans: scans.filter(
      (node) =>
        node['Node Type'] === 'Seq Scan' && node['Relation Name'] !== 'declared_event_types',
    ),
    indexes: new Set(events.map((node) => node['Index Name'])),
    looked: looked.reduce((sum, rows) => sum + rows, 0),
    questions: statements.length,
  };
}

describe('among sixty thousand events of a year', () => {
  let pool: Pool;
  beforeAll(async () => {
    await withConnection(url(), fill);
    pool = openPool(url(), 1);
  });

  it.each<[string, AuditFilter, string, number]>([
    ['time', { from: new Date(Date.now() - 9e9), to: new Date() }, 'tenant_time', 20],
    ['nothing', {}, 'tenant_time', 20],
    ['a rare action', { actions: ['LOGIN_BLOCKED'] }, 'kind', 20],
    ['several actions', { actions: ['LOGIN_BLOCKED', 'AUTH_LOGOUT'] }, 'kind', 20],
    ['an action of nobody', { actions: ['TENANT_CREATED'] }, 'kind', 0],
    ['a rare outcome', { outcome: 'denied' }, 'kind', 20],
    ['an outcome of nothing', { outcome: 'failure' }, 'kind', 0],
    ['an actor', { actor: 'staff-8' }, 'actor', 20],
    ['a subject', { subject: 'session:8' }, 'subject', 20],
    ['a session', { sessionId: SESSION }, 'session', 20],
    ['a session of nobody', { sessionId: NOBODYS }, 'session', 0],
    ['a correlation id', { correlationId: 'c-59998' }, 'correlation', 1],
    ['a correlation id of nothing', { correlationId: 'none' }, 'correlation', 0],
    ['an actor and an action', { actor: 'staff-0', actions: ['AUTH_LOGOUT'] }, 'actor', 20],
  ])(
    'events by %s are read by their index, and few others',
    async (_name, filter, index, found) => {
      const page = await withConnection(url(), (client) => explainPage(client, pool, filter));
      expect(page.found).toBe(found);
      expect(page.seqScans).toEqual([]);
      expect([...page.indexes]).toContain(`idx_audit_logs_${index}`);
      // A look-up by action and outcome reads a page's worth of events for each existing pair.
      expect(page.looked).toBeLessThan(500);
      expect(page.questions).toBeLessThanOrEqual(11);
    },
  );
});
