import { randomBytes } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { runMaintenance } from '@/server/bootstrap/maintenance';
import { db } from '@/server/db';
import { uuidV7 } from '@/server/db/ids';
import { mails, riskDecisions } from '@/server/db/schema';
import { WAITS_FOR_LOCK, ask, withConnection } from '@/tests/helpers/database/askDatabase';
import { withoutTable } from '@/tests/helpers/database/authRows';
import { mailRow, mailsOf, queueOne } from '@/tests/helpers/mail/mailRows';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { buildApp } from '@/tests/helpers/server/testApp';

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

it('keeps a decision that is given its verdict while the purge waits for the row', async () => {
  const officer = await seedOfficer();
  const judged = await decide(officer, 900);
  const url = process.env['DATABASE_URL'] ?? '';
  await withConnection(url, async (client) => {
    await client.query('BEGIN');
    await client.query(
      "UPDATE risk_decisions SET verdict = 'suspicious', verdict_by = $2, verdict_at = now() WHERE id = $1",
      [judged, officer.staffId],
    );
    const purging = runMaintenance(deps);
    await pollUntil(
      'the purge waits for the row',
      () => ask(url, WAITS_FOR_LOCK),
      (waiting) => waiting.length > 0,
    );
    await client.query('COMMIT');
    await purging;
  });
  expect(await keptOf(officer)).toStrictEqual([judged]);
});

it('deletes mails after thirty days, whatever became of them', async () => {
  const officer = await seedOfficer();
  const ids = [await queueOne(deps, {}, officer), await queueOne(deps, {}, officer)] as const;
  const daysAgo = (days: number) => ({ createdAt: new Date(Date.now() - days * DAY_MS) });
  await db.update(mails).set(daysAgo(30.1)).where(eq(mails.id, ids[0]));
  await db.update(mails).set(daysAgo(29.9)).where(eq(mails.id, ids[1]));
  await runMaintenance(deps);
  expect(await mailsOf(officer)).toMatchObject([{ id: ids[1], givenUpAt: null }]);
});

it('empties mails that expired while nobody sent any, but none that is being sent', async () => {
  const officer = await seedOfficer();
  const expiresAt = new Date(Date.now() - 1000);
  const left = await queueOne(deps, { expiresAt }, officer);
  const claimed = await queueOne(deps, { expiresAt }, officer);
  const nextTryAt = new Date(Date.now() + 60_000);
  await db.update(mails).set({ nextTryAt }).where(eq(mails.id, claimed));
  await runMaintenance(deps);
  expect(await mailRow(left)).toMatchObject({ sealed: null, lastError: 'expired' });
  expect((await mailRow(left)).givenUpAt).not.toBeNull();
  expect((await mailRow(claimed)).sealed).not.toBeNull();
});

it('goes on with the rest where one task fails, and counts it', async () => {
  const officer = await seedOfficer();
  await decide(officer, 200);
  await withoutTable('failed_attempts', () => runMaintenance(deps));
  expect(await keptOf(officer)).toStrictEqual([]);
  const metrics = await deps.metrics.registry.metrics();
  expect(metrics).toContain('gatehouse_background_failures_total{task="purge_attempts"} 1');
});
