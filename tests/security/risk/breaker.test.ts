import { createBreaker } from '@/server/security/risk/breaker';
import { auditLogs } from '@/server/db/schema';
import { db } from '@/server/db';
import { and, eq } from 'drizzle-orm';
import { withConnection } from '@/tests/helpers/database/askDatabase';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { ABROAD, HOME, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';

describe('the breaker', () => {
  const clock = createMovableClock();

  it('opens at the fifth failure in a row, and not before', () => {
    const breaker = createBreaker(clock);
    for (let failure = 0; failure < 5; failure += 1) {
      expect(breaker.admit()).toBe(true);
      breaker.failed();
    }
    expect(breaker.admit()).toBe(false);
  });

  it('begins to count anew with each success', () => {
    const breaker = createBreaker(clock);
    for (let round = 0; round < 3; round += 1) {
      for (let failure = 0; failure < 4; failure += 1) breaker.failed();
      breaker.succeeded();
    }
    expect(breaker.admit()).toBe(true);
  });

  it('lets one through after ten seconds, not all at once, and closes when that one succeeds', () => {
    const breaker = createBreaker(clock);
    for (let failure = 0; failure < 5; failure += 1) breaker.failed();
    clock.forward(9.9);
    expect(breaker.admit()).toBe(false);
    clock.forward(0.1);
    expect([breaker.admit(), breaker.admit()]).toStrictEqual([true, false]);
    breaker.succeeded();
    expect([breaker.admit(), breaker.admit()]).toStrictEqual([true, true]);
  });

  it('waits another ten seconds where that one fails, or never says how it went', () => {
    const breaker = createBreaker(clock);
    for (let failure = 0; failure < 5; failure += 1) breaker.failed();
    clock.forward(10);
    expect(breaker.admit()).toBe(true);
    breaker.failed();
    clock.forward(9);
    expect(breaker.admit()).toBe(false);
    clock.forward(1);
    expect(breaker.admit()).toBe(true);
    clock.forward(10);
    expect(breaker.admit()).toBe(true);
  });
});

describe('a database that is too slow to score with', () => {
  const clock = createMovableClock();
  const { app, deps } = buildApp({ anomalyTimeoutMs: 1000 }, { clock });

  async function causesOf(staffId: string): Promise<unknown[]> {
    const rows = await db
      .select()
      .from(auditLogs)
      .where(and(eq(auditLogs.actor, staffId), eq(auditLogs.action, 'ANOMALY_CHECK_SKIPPED')))
      .orderBy(auditLogs.id);
    return rows.map(({ details }) => details['cause']);
  }

  it('is asked five times, then left alone: logins go on and no longer wait; and asked again later', async () => {
    const traveller = await seedTraveller(app);
    deps.riskFacts.forgetAll();
    await withConnection(deps.config.databaseUrl, async (client) => {
      await client.query('BEGIN; LOCK TABLE known_networks IN ACCESS EXCLUSIVE MODE');
      for (let login = 0; login < 7; login += 1) {
        expect((await attemptLogin(app, traveller, ABROAD)).status).toBe(200);
      }
      await client.query('ROLLBACK');
    });
    const timeouts = Array.from({ length: 5 }, () => 'timeout');
    const left = ['breaker_open', 'breaker_open'];
    expect(await causesOf(traveller.staffId)).toStrictEqual([...timeouts, ...left]);
    expect((await attemptLogin(app, traveller, ABROAD)).status).toBe(200);
    clock.forward(10);
    expect((await attemptLogin(app, traveller, ABROAD)).status).toBe(428);
    expect((await attemptLogin(app, traveller, HOME)).status).toBe(200);
  });

  it('taught nothing by the logins that it let in unscored', async () => {
    const traveller = await seedTraveller(app);
    deps.riskFacts.forgetAll();
    await withConnection(deps.config.databaseUrl, async (client) => {
      await client.query('BEGIN; LOCK TABLE risk_policies IN ACCESS EXCLUSIVE MODE');
      deps.riskPolicies.forgetAll();
      expect((await attemptLogin(app, traveller, ABROAD)).status).toBe(200);
      await client.query('ROLLBACK');
    });
    expect((await attemptLogin(app, traveller, ABROAD)).status).toBe(428);
  });
});
