import { sql } from 'drizzle-orm';
import type { Express } from 'express';
import request from 'supertest';
import { db } from '@/server/db';
import { BUILT_IN_PERMISSIONS } from '@/server/permissions';
import { ABROAD, attemptLogin, seedTraveller } from '../people/traveller';
import type { Traveller } from '../people/traveller';
import { seedTestUserAndToken } from '../seedAuth';
import { giveFactor } from '../stepUp/secondFactor';
import type { Ids } from './inventIds';
import { giveOneOfEach } from './oneOfEach';

const permissions = [...BUILT_IN_PERMISSIONS];

/** Creates a person with a live session and a factor, who has not signed in through the API. */
export async function seedMember(): Promise<Traveller> {
  const member = await seedTestUserAndToken({ permissions });
  return { ...member, secret: await giveFactor(member) };
}

/**
 * Creates a tenant that has a row in every table, with a member who has signed in, was asked for a
 * proof and was stopped at a login.
 * @returns its ids
 */
export async function seedTarget(app: Express): Promise<Ids> {
  const member = await seedTraveller(app, { permissions });
  const guarded = await request(app)
    .post('/api/compliance/export/bundle')
    .set('authorization', `Bearer ${member.token}`);
  const stopped = await attemptLogin(app, member, ABROAD);
  const { rows } = await db.execute<{ id: string }>(
    sql`SELECT id FROM step_up_challenges WHERE staff_id = ${member.staffId} AND origin = 'login'`,
  );
  const { tenantId, tenantSlug, userId, staffId, sessionId, refreshTokenId } = member;
  await db.execute(sql`INSERT INTO risk_policies (tenant_id, policy) VALUES (${tenantId}, '{}')`);
  const given = await giveOneOfEach({ tenantId, userId, staffId });
  const factors = await db.execute<{ id: string }>(
    sql`SELECT id FROM user_totp WHERE staff_id = ${staffId}`,
  );
  const resets = await db.execute<{ id: string }>(
    sql`SELECT id FROM password_resets WHERE user_id = ${userId}`,
  );
  const decisions = await db.execute<{ id: string }>(
    sql`SELECT id FROM risk_decisions WHERE staff_id = ${staffId} AND outcome = 'challenged'`,
  );
  const events = await db.execute<{ id: string }>(
    sql`SELECT id FROM audit_logs WHERE tenant_id = ${tenantId} LIMIT 1`,
  );
  const approvals = await db.execute<{ id: string }>(
    sql`SELECT id FROM approval_requests WHERE tenant_id = ${tenantId}`,
  );
  return {
    ...given,
    ...{ tenantId, tenantSlug, userId, staffId, sessionId, refreshTokenId },
    eventId: events.rows[0]?.id ?? '',
    challengeRowId: rows[0]?.id ?? '',
    decisionId: decisions.rows[0]?.id ?? '',
    factorId: factors.rows[0]?.id ?? '',
    approvalId: approvals.rows[0]?.id ?? '',
    resetId: resets.rows[0]?.id ?? '',
    sessionChallengeId: String(guarded.body.challengeId),
    loginChallengeId: String(stopped.body.challengeId),
  };
}
