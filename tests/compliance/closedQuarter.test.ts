import { forceLogout } from '@/server/tenants';
import { eq, sql } from 'drizzle-orm';
import { runMaintenance } from '@/server/bootstrap/maintenance';
import { db } from '@/server/db';
import { refreshTokens, stepUpChallenges, userSessions } from '@/server/db/schema';
import { downloadEvidence } from '@/tests/helpers/evidence/evidenceBundle';
import type { Evidence } from '@/tests/helpers/evidence/evidenceBundle';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { KIND, idOf, insertPastRows } from '@/tests/helpers/evidence/pastRows';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const PREFIX = '0d15c0de';
const MARCH = { from: '2025-03-01', to: '2025-03-31', format: 'csv' };
const FILES = [
  'sessions.csv',
  'token-revocations.csv',
  'step-ups.csv',
  'access-review.csv',
  'joiners-leavers.csv',
  'permission-changes.csv',
] as const;

const idLater = (kind: number, n: number) => idOf(PREFIX, kind, 100 + n);
const at = (time: string) => new Date(`2025-${time}Z`);

/**
 * Inserts a session of March that goes on in April, one from before sessions were stored, and
 * challenges that end in April.
 */
async function insertCrossing({ tenantId, userId, staffId }: SeededAuth): Promise<void> {
  const owner = { tenantId, userId, staffId };
  const id = idLater(KIND.session, 1);
  const expiresAt = at('04-20T00:00:00');
  await db.insert(userSessions).values({
    ...{ ...owner, id, createdAt: at('03-10T00:00:00'), expiresAt, lastSeenAt: expiresAt },
    ...{ country: 'DE', beganCountry: 'DE', ip: '203.0.113.9', userAgent: '=Agent' },
  });
  const token = (n: number, createdAt: Date, sessionId: string | null = id) => ({
    ...{ ...owner, id: idLater(KIND.token, n), tokenHash: `${PREFIX}-${n}`, sessionId, createdAt },
    ...{ expiresAt, absoluteExpiresAt: expiresAt, familyId: idLater(9, 1) },
  });
  const rotated = (revokedAt: Date) => ({
    ...{ revokedAt, isRevoked: true, revokeReason: 'rotation' as const },
  });
  await db.insert(refreshTokens).values([
    { ...token(1, at('03-10T00:00:00')), ...rotated(at('03-20T10:00:00')) },
    { ...token(2, at('03-20T10:00:00')), ...rotated(at('04-02T10:00:00')) },
    token(3, at('04-02T10:00:00')),
    {
      ...{ ...token(4, at('03-11T00:00:00'), null), ...rotated(at('03-12T00:00:00')) },
      familyId: idLater(9, 2),
    },
  ]);
  const challenge = (n: number, origin: 'login' | 'session', sessionId: string | null) => ({
    ...{ ...owner, id: idLater(KIND.stepUp, n), origin, sessionId },
    ...{ purpose: 'data_export' as const, createdAt: at('03-31T23:55:00') },
    ...{ expiresAt: at('04-01T00:05:00'), verifiedAt: at('03-31T23:56:00'), attempts: 1 },
    verifiedMethod: 'totp',
  });
  await db
    .insert(stepUpChallenges)
    .values([challenge(1, 'session', id), challenge(2, 'login', null)]);
}

/** Changes rows of a quarter after its end. */
async function liveOn({ tenantId, staffId }: SeededAuth): Promise<void> {
  const id = idLater(KIND.session, 1);
  await db
    .update(userSessions)
    .set({
      ...{ lastSeenAt: new Date(), country: 'FR', originProvenAt: at('04-03T00:00:00') },
      ...{ revokedAt: at('04-05T00:00:00'), revokeReason: 'manual' },
    })
    .where(eq(userSessions.id, id));
  await db
    .update(stepUpChallenges)
    .set({ consumedAt: at('04-01T00:01:00') })
    .where(eq(stepUpChallenges.id, idLater(KIND.stepUp, 1)));
  await forceLogout(deps, operatorContext, tenantId, staffId);
}

const bytesOf = (evidence: Evidence) =>
  FILES.map((name) => [name, evidence.text(name), evidence.files.get(name)?.length]);

describe('the evidence of a closed quarter', () => {
  let auditor: SeededAuth;
  let member: SeededAuth;
  let before: Evidence;

  beforeAll(async () => {
    auditor = await seedOfficer();
    member = await seedOfficer({ tenantId: auditor.tenantId });
    await insertPastRows(member, PREFIX);
    await insertCrossing(member);
    before = await downloadEvidence(app, auditor, MARCH);
  });

  it('tells of a session when it was last used before the end of the range, and nothing later', () => {
    const row = before.table('sessions.csv').find(({ id }) => id === idLater(KIND.session, 1));
    expect(row).toMatchObject({ last_seen_at: '2025-03-20T10:00:00.000Z', revoked_at: '' });
  });

  it('stays the same to the byte, whatever happens to the same sessions later', async () => {
    await liveOn(member);
    expect(bytesOf(await downloadEvidence(app, auditor, MARCH))).toEqual(bytesOf(before));
  });

  it('stays the same to the byte when the rows are purged', async () => {
    await runMaintenance(deps);
    const { rows } = await db.execute<Record<string, number>>(sql`SELECT
      (SELECT count(*) FROM user_sessions WHERE tenant_id = ${auditor.tenantId})::int AS sessions,
      (SELECT count(*) FROM refresh_tokens WHERE tenant_id = ${auditor.tenantId})::int AS tokens,
      (SELECT count(*) FROM step_up_challenges WHERE tenant_id = ${auditor.tenantId} AND origin = 'login')::int AS challenges,
      (SELECT count(*) FROM session_history WHERE tenant_id = ${auditor.tenantId})::int AS moved`);
    // The tokens and challenges of pastRows belong to the member's live session, and stay with it.
    expect(rows[0]).toMatchObject({ sessions: 2, challenges: 0, moved: 7 });
    expect(bytesOf(await downloadEvidence(app, auditor, MARCH))).toEqual(bytesOf(before));
  });

  it('holds what a purge has moved, in the quarters after it too', async () => {
    const april = await downloadEvidence(app, auditor, {
      ...MARCH,
      ...{ from: '2025-04-01', to: '2025-04-30' },
    });
    expect(
      april.table('sessions.csv').find(({ id }) => id === idLater(KIND.session, 1)),
    ).toMatchObject({
      ...{ last_seen_at: '2025-04-02T10:00:00.000Z', revoked_at: '2025-04-05T00:00:00.000Z' },
      ...{ revoke_reason: 'manual', country: 'DE' },
    });
    const tokens = april.table('token-revocations.csv').map(({ token_id }) => token_id);
    expect(tokens).toContain(idLater(KIND.token, 2));
  });
});
