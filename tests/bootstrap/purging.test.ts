import { sql } from 'drizzle-orm';
import { runMaintenance } from '@/server/bootstrap/maintenance';
import { db } from '@/server/db';
import { passkeyRegistrations, userTotp } from '@/server/db/schema';
import { refresh } from '@/tests/helpers/http/authCalls';
import { auditOf } from '@/tests/helpers/database/authRows';
import { IMPERSONATION, impersonate, seedPair } from '@/tests/helpers/people/impersonators';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const KEEP = { sessionsKeepDays: 10, challengesKeepDays: 10, impersonationsKeepDays: 40 };
const { app, deps } = buildApp(KEEP);
const other = buildApp(KEEP);

const HOT = ['user_sessions', 'refresh_tokens', 'step_up_challenges'] as const;
const HISTORY = ['session_history', 'token_history', 'step_up_history'] as const;

async function count(tables: readonly string[], { tenantId }: SeededAuth): Promise<number[]> {
  const counts = [];
  for (const table of tables) {
    const { rows } = await db.execute<{ n: number }>(
      sql`SELECT count(*)::int AS n FROM ${sql.identifier(table)} WHERE tenant_id = ${tenantId}`,
    );
    counts.push(rows[0]?.n ?? -1);
  }
  return counts;
}

/**
 * Inserts a year of a person who signs in each day for one day, refreshes ten times and gives two
 * proofs.
 */
async function liveAYear({ tenantId, userId, staffId }: SeededAuth): Promise<void> {
  const owner = sql`${tenantId}::uuid, ${userId}::uuid, ${staffId}::uuid`;
  const since = sql`now() - make_interval(days => n) - interval '1 hour'`;
  await db.execute(sql`INSERT INTO user_sessions (id, tenant_id, user_id, staff_id, created_at, expires_at)
    SELECT gatehouse_uuid_v7(), ${owner}, ${since}, ${since} + interval '1 day' FROM generate_series(1, 365) n`);
  await db.execute(sql`INSERT INTO refresh_tokens (token_hash, tenant_id, user_id, staff_id, session_id, family_id, created_at, expires_at,
      absolute_expires_at, revoked_at, is_revoked, revoke_reason)
    SELECT gen_random_uuid(), s.tenant_id, s.user_id, s.staff_id, s.id, s.id, s.created_at, s.expires_at, s.expires_at,
      CASE WHEN n > 1 THEN s.created_at END, n > 1, CASE WHEN n > 1 THEN 'rotation'::revoke_reason END
    FROM user_sessions s, generate_series(1, 10) n WHERE s.tenant_id = ${tenantId} AND s.created_at < now() - interval '1 hour'`);
  await db.execute(sql`INSERT INTO step_up_challenges (tenant_id, user_id, staff_id, session_id, origin, purpose, created_at, expires_at)
    SELECT s.tenant_id, s.user_id, s.staff_id, CASE n WHEN 1 THEN s.id END, CASE n WHEN 1 THEN 'session' ELSE 'login' END::challenge_origin,
      'data_export', s.created_at, s.created_at + interval '10 minutes'
    FROM user_sessions s, generate_series(1, 2) n WHERE s.tenant_id = ${tenantId} AND s.created_at < now() - interval '1 hour'`);
  await db.execute(sql`INSERT INTO refresh_tokens (token_hash, tenant_id, user_id, staff_id, created_at, expires_at, absolute_expires_at)
    SELECT gen_random_uuid(), ${owner}, ${since}, ${since} + interval '1 day', ${since} + interval '1 day' FROM generate_series(1, 365) n`);
}

const failures = async (node: typeof other) =>
  (await node.deps.metrics.backgroundFailures.get()).values.filter(({ value }) => value > 0);

it('keeps the tables in daily use as small after a year as after some days, on two nodes at once, and loses no row', async () => {
  const who = await seedTestUserAndToken();
  await liveAYear(who);
  const before = await count(HOT, who);
  expect(before).toEqual([366, 1 + 3650 + 365, 730]);
  await Promise.all([runMaintenance(deps), runMaintenance(other.deps)]);
  expect(await failures({ app, deps })).toEqual([]);
  expect(await failures(other)).toEqual([]);
  const [sessions = 0, tokens = 0, challenges = 0] = await count(HOT, who);
  // Ten days after the end of a one-day session.
  expect(sessions).toBeLessThanOrEqual(12);
  expect(tokens).toBeLessThanOrEqual(1 + 11 * 11);
  expect(challenges).toBeLessThanOrEqual(2 * 11);
  const moved = await count(HISTORY, who);
  expect([sessions, tokens, challenges].map((left, at) => left + (moved[at] ?? 0))).toEqual(before);
});

const endedDaysAgo = async ({ sessionId }: SeededAuth, days: number) => {
  const at = sql`now() - make_interval(days => ${days})`;
  await db.execute(sql`UPDATE user_sessions SET expires_at = ${at} WHERE id = ${sessionId}`);
  await db.execute(sql`UPDATE refresh_tokens SET expires_at = least(expires_at, ${at}), absolute_expires_at = ${at}
    WHERE session_id = ${sessionId}`);
};

it('still detects a replay until the family is purged, and after that knows its tokens no more', async () => {
  const who = await seedTestUserAndToken();
  await refresh(app, who.refreshToken);
  await endedDaysAgo(who, 9);
  await runMaintenance(deps);
  expect((await refresh(app, who.refreshToken)).body).toMatchObject({ reason: 'reuse_detected' });
  await endedDaysAgo(who, 11);
  await runMaintenance(deps);
  const { status, body } = await refresh(app, who.refreshToken);
  expect([status, body.error]).toEqual([401, 'INVALID_REFRESH_TOKEN']);
  expect(await auditOf('REFRESH_REUSE_DETECTED', who.tenantId)).toHaveLength(1);
});

it('keeps the links from the time without sessions as long as the session that their family got later', async () => {
  const who = await seedTestUserAndToken();
  const next = (await refresh(app, who.refreshToken)).body;
  await db.execute(sql`UPDATE refresh_tokens SET session_id = NULL, expires_at = now() - interval '20 days', absolute_expires_at = NULL
    WHERE id = ${who.refreshTokenId}`);
  await runMaintenance(deps);
  expect((await refresh(app, who.refreshToken)).body).toMatchObject({ reason: 'reuse_detected' });
  expect((await refresh(app, next.refreshToken)).status).toBe(401);
  await endedDaysAgo(who, 11);
  await runMaintenance(deps);
  await runMaintenance(deps);
  expect(await count(HOT, who)).toEqual([0, 0, 0]);
});

it('deletes impersonations some time after their end, with their counts, on two nodes at once, and keeps their events', async () => {
  const endedDaysAgo: [days: number, left: number][] = [
    [39, 1],
    [41, 0],
    [400, 0],
  ];
  const pairs = await Promise.all(endedDaysAgo.map(() => seedPair()));
  for (const [at, pair] of pairs.entries()) {
    const { token } = await impersonate(app, pair);
    await as(app, { token }).get('/api/tenants/staff').expect(200);
    await as(app, pair.actor).post(`${IMPERSONATION}/stop`, {}).expect(200);
    const days = sql`make_interval(days => ${endedDaysAgo[at]?.[0]})`;
    await db.execute(sql`UPDATE impersonations SET started_at = started_at - ${days}, expires_at = expires_at - ${days},
      ended_at = ended_at - ${days} WHERE tenant_id = ${pair.actor.tenantId}`);
  }
  const running = await seedPair();
  await impersonate(app, running);
  await Promise.all([runMaintenance(deps), runMaintenance(other.deps)]);
  const tables = ['impersonations', 'impersonation_acts'];
  for (const [at, { actor }] of pairs.entries()) {
    const left = endedDaysAgo[at]?.[1];
    expect(await count(tables, actor)).toEqual([left, left]);
    expect(await auditOf('IMPERSONATION_ENDED', actor.tenantId)).toHaveLength(1);
  }
  expect(await count(['impersonations'], running.actor)).toEqual([1]);
  expect([await failures({ app, deps }), await failures(other)]).toEqual([[], []]);
});

it('deletes registrations that ran out and enrolments that nobody confirmed for a day', async () => {
  const [old, young] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
  const begin = async ({ tenantId, userId, staffId }: SeededAuth, hoursAgo: number) => {
    const owner = { tenantId, userId, staffId };
    const createdAt = new Date(Date.now() - hoursAgo * 3_600_000);
    const expiresAt = new Date(createdAt.getTime() + 24 * 3_600_000);
    await db.insert(passkeyRegistrations).values({ ...owner, challenge: 'x', expiresAt });
    await db.insert(userTotp).values({ ...owner, secretSealed: Buffer.alloc(1), createdAt });
    const confirmed = { confirmedAt: createdAt, secretSealed: Buffer.alloc(1), createdAt };
    await db.insert(userTotp).values({ ...owner, ...confirmed });
  };
  await begin(old, 25);
  await begin(young, 23);
  await runMaintenance(deps);
  const tables = ['passkey_registrations', 'user_totp'];
  expect(await count(tables, old)).toEqual([0, 1]);
  expect(await count(tables, young)).toEqual([1, 2]);
});
