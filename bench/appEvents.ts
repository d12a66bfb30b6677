import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import type { ReadyConfig } from '../server/config';
import { systemContext } from '../server/context';
import { createDeps } from '../server/deps';
import { createServiceKey, serviceKeyInput } from '../server/service';
import { declareEventTypes } from '../server/appEvents';
import type { Job } from './child';
import { closedLoop } from './closedLoop';

const NAME = 'app.project.deleted';
/** The events of each batch, as many as one may have. */
const EVENTS = 100;

/** Declares the type of the reported events, and creates a key that reports them. */
export async function openReporter(config: ReadyConfig, tenant: string) {
  const deps = createDeps({ ...config, logLevel: 'silent' }, { sendsMail: false });
  const ctx = { ...systemContext('bench'), actor: 'operator:bench' };
  const project = { type: 'string', maxLength: 100 } as const;
  const amount = { type: 'integer', minimum: 0, maximum: EVENTS } as const;
  const details = { type: 'object' as const, properties: { project, amount } };
  const types = [{ name: NAME, sentence: 'A project was deleted', details }];
  await declareEventTypes(deps, ctx, types, { via: 'operator' });
  const input = serviceKeyInput.parse({ name: 'Bench', scopes: ['events:write'], addresses: [] });
  const { key } = await createServiceKey(deps, ctx, input);
  await deps.close();
  const events = Array.from({ length: EVENTS }, (_, at) => ({
    ...{ action: NAME, tenant, subject: `project:${at}`, address: '203.0.113.9' },
    details: { project: `p-${at}`, amount: at },
  }));
  return { key, events };
}

/** The same rows, written by one multi-row INSERT in each transaction, without HTTP. */
export function insertDirectly({
  databaseUrl,
  tenantId,
  connections,
}: {
  databaseUrl: string;
  tenantId: string;
  connections: number;
}): Job {
  const INSERT = `INSERT INTO audit_logs (tenant_id, action, outcome, actor, subject, ip, correlation_id, details)
    SELECT $1, '${NAME}', 'success', 'service:' || $2, 'project:' || g, '203.0.113.9', $2,
      jsonb_build_object('fields', jsonb_build_object('project', 'p-' || g, 'amount', g), 'reportedBy', $2, 'reported', '["subject", "address"]'::jsonb)
    FROM generate_series(1, ${EVENTS}) g`;
  return {
    async run(ms) {
      const clients = Array.from(
        { length: connections },
        () => new Client({ connectionString: databaseUrl }),
      );
      await Promise.all(clients.map((client) => client.connect()));
      try {
        return await closedLoop(ms, connections, async (worker) => {
          await clients[worker]?.query(INSERT, [tenantId, randomUUID()]);
        });
      } finally {
        await Promise.all(clients.map((client) => client.end()));
      }
    },
  };
}
