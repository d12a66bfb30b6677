import { request } from 'node:http';
import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { auditLogs, eventBatches } from '@/server/db/schema';
import { declareDeleted, deletion, openReporter } from '@/tests/helpers/people/reporter';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { externalEnv, startServer } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

it('a node that is killed after the commit and before the answer loses nothing: a retry gets the ids that were written', async () => {
  const node = buildApp();
  await declareDeleted();
  const { tenantSlug } = await seedTestUserAndToken();
  const { key, report } = await openReporter(node);
  const events = [deletion(tenantSlug), deletion(tenantSlug)];
  const victim = startServer(externalEnv());
  const sent = request(`${await victim.url()}/api/audit/events`, {
    method: 'POST',
    headers: {
      ...{ authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      'idempotency-key': 'killed',
    },
  });
  sent.on('error', () => undefined);
  // Nobody reads the answer, so it counts as lost however far the node came.
  sent.end(JSON.stringify({ events }));
  await pollUntil(
    'the batch is committed',
    () => db.select().from(eventBatches),
    (batches) => batches.length === 1,
  );
  victim.signal('SIGKILL');
  await victim.exited;
  sent.destroy();
  const again = await report(events, 'killed');
  expect(again.status).toBe(201);
  const rows = await db
    .select({ id: auditLogs.id })
    .from(auditLogs)
    .where(eq(auditLogs.action, 'app.project.deleted'))
    .orderBy(auditLogs.id);
  expect((again.body as { ids: string[] }).ids).toEqual(rows.map(({ id }) => id));
});
