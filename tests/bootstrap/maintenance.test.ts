import { randomBytes } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { runMaintenance } from '@/server/bootstrap/maintenance';
import { db } from '@/server/db';
import { uuidV7 } from '@/server/db/ids';
import { riskDecisions } from '@/server/db/schema';
import { withoutTable } from '@/tests/helpers/authRows';
import { seedOfficer } from '@/tests/helpers/officer';
import { buildApp } from '@/tests/helpers/testApp';

const { deps } = buildApp({ riskDecisionsKeepDays: 100 });
const DAY_MS = 86_400_000;

async function decide(owner: { tenantId: string; staffId: string }, daysAgo: number, more = {}) {
  const { tenantId, staffId } = owner;
  const id = uuidV7(Date.now(), randomBytes(16));
  await db.insert(riskDecisions).values({
    ...{ id, tenantId, staffId, at: 'login', score: 0, reasons: [], seen: '', signals: [] },
    ...{ decision: 'allow', outcome: 'allowed', spentUs: 1, correlationId: 'made-up' },
    occurredAt: new Date(Date.now() - daysAgo * DAY_MS),
    ...more,
  });
  return id;
}

const keptOf = async ({ tenantId }: { tenantId: string }) =>
  (await db.select().from(riskDecisions).where(eq(riskDecisions.tenantId, tenantId))).map(
    ({ id }) => id,
  );

it('deletes decisions that are older than they are kept, but for those with a verdict', async () => {
  const officer = await seedOfficer();
  await decide(officer, 100.1);
  const young = await decide(officer, 99.9);
  const verdict = { verdict: 'legitimate', verdictBy: officer.staffId, verdictAt: new Date() };
  const judged = await decide(officer, 900, verdict);
  await runMaintenance(deps);
  expect((await keptOf(officer)).sort()).toStrictEqual([young, judged].sort());
});

it('goes on with the rest where one task fails, and counts it', async () => {
  const officer = await seedOfficer();
  await decide(officer, 200);
  await withoutTable('failed_attempts', () => runMaintenance(deps));
  expect(await keptOf(officer)).toStrictEqual([]);
  const metrics = await deps.metrics.registry.metrics();
  expect(metrics).toContain('gatehouse_background_failures_total{task="purge_attempts"} 1');
});
