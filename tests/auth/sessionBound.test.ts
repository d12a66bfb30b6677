import request from 'supertest';
import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { refreshTokens, riskPolicies, userSessions } from '@/server/db/schema';
import { me, refresh } from '@/tests/helpers/http/authCalls';
import {
  auditOf,
  liveSessionsOf,
  liveTokensOf,
  sessionsOf,
} from '@/tests/helpers/database/authRows';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';
import { HOME, attemptLogin } from '@/tests/helpers/people/traveller';

const clock = createMovableClock();
const { app, deps } = buildApp({}, { clock });

interface Tokens {
  accessToken: string;
  refreshToken: string;
  sessionId: string;
}

/** Creates a person without a session, in a tenant with this limit. */
async function seedBound(maxSessions: number) {
  const member = await seedTestUserAndToken();
  await db.delete(refreshTokens).where(eq(refreshTokens.staffId, member.staffId));
  await db.delete(userSessions).where(eq(userSessions.staffId, member.staffId));
  await setBound(member.tenantId, maxSessions);
  return member;
}

async function setBound(tenantId: string, maxSessions: number) {
  const row = { tenantId, policy: { maxSessions } };
  await db
    .insert(riskPolicies)
    .values(row)
    .onConflictDoUpdate({ target: riskPolicies.tenantId, set: row });
  deps.riskPolicies.forget(tenantId);
}

async function signIn(member: { email: string; password: string }): Promise<Tokens> {
  const res = await attemptLogin(app, member, HOME);
  expect(res.status).toBe(200);
  clock.forward(1);
  return res.body as Tokens;
}

const signInTimes = async (member: { email: string; password: string }, times: number) => {
  const opened: Tokens[] = [];
  for (let login = 0; login < times; login += 1) opened.push(await signIn(member));
  return opened;
};

describe('the bound on live sessions of a person', () => {
  it('ends the oldest session at a login beyond it, with its tokens; its next request is refused', async () => {
    const member = await seedBound(3);
    const [first, second, third] = await signInTimes(member, 3);
    expect(await liveSessionsOf(member.staffId)).toHaveLength(3);
    const fourth = await signIn(member);
    expect((await me(app, first?.accessToken ?? '')).status).toBe(401);
    // Nothing is suspected: the client signs in again, and no other session ends.
    const refused = await refresh(app, first?.refreshToken, HOME);
    expect([refused.status, refused.body.error]).toStrictEqual([401, 'INVALID_REFRESH_TOKEN']);
    for (const alive of [second, third, fourth]) {
      expect((await me(app, alive?.accessToken ?? '')).status).toBe(200);
    }
    const ended = (await sessionsOf(member.staffId)).filter(({ revokedAt }) => revokedAt !== null);
    expect(ended).toMatchObject([{ id: first?.sessionId, revokeReason: 'session_expired' }]);
    expect(await auditOf('SESSION_INVALIDATED', member.tenantId)).toMatchObject([
      {
        outcome: 'success',
        actor: 'system',
        subject: `session:${first?.sessionId}`,
        details: { reason: 'session_limit', sessionsRevoked: 1, tokensRevoked: 1 },
      },
    ]);
  });

  it('holds among twenty logins at once over two nodes, and each of them succeeds', async () => {
    const member = await seedBound(5);
    const nodes = [app, buildApp({}, { clock }).app];
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => attemptLogin(nodes[at % 2] ?? app, member, HOME)),
    );
    expect(answers.map(({ status }) => status)).toStrictEqual(Array(20).fill(200));
    expect(await liveSessionsOf(member.staffId)).toHaveLength(5);
    expect(await liveTokensOf(member.staffId)).toHaveLength(5);
  });

  it('ends as many as it takes after it was lowered, in one event', async () => {
    const member = await seedBound(10);
    const opened = await signInTimes(member, 6);
    await setBound(member.tenantId, 2);
    const last = await signIn(member);
    const live = (await liveSessionsOf(member.staffId)).map(({ id }) => id);
    expect(live).toStrictEqual([opened[5]?.sessionId, last.sessionId]);
    expect(await auditOf('SESSION_INVALIDATED', member.tenantId)).toMatchObject([
      { subject: `staff:${member.staffId}`, details: { sessionsRevoked: 5, tokensRevoked: 5 } },
    ]);
  });

  it('neither counts nor touches sessions that are over, and leaves colleagues alone', async () => {
    const member = await seedBound(2);
    const colleague = await seedTestUserAndToken({ tenantId: member.tenantId });
    const [old] = await signInTimes(member, 1);
    // Its last refresh token has expired, so the session is past its idle limit.
    await db
      .update(refreshTokens)
      .set({ expiresAt: clock.now() })
      .where(eq(refreshTokens.sessionId, old?.sessionId ?? ''));
    await signInTimes(member, 2);
    const [first, ...others] = await sessionsOf(member.staffId);
    expect(first).toMatchObject({ id: old?.sessionId, revokedAt: null, revokeReason: null });
    expect(others.map(({ revokedAt }) => revokedAt)).toStrictEqual([null, null]);
    await signIn(member);
    expect(await liveSessionsOf(colleague.staffId)).toHaveLength(1);
  });

  it('holds for a login that is finished with a proof, too', async () => {
    const member = await seedBound(1);
    const secret = await giveFactor(member);
    const policy = { maxSessions: 1, secondFactor: 'if_enrolled' };
    const { tenantId } = member;
    await db.update(riskPolicies).set({ policy }).where(eq(riskPolicies.tenantId, tenantId));
    deps.riskPolicies.forget(tenantId);
    for (let login = 0; login < 2; login += 1) {
      clock.forward(30);
      const asked = await attemptLogin(app, member, HOME);
      const { challengeId } = asked.body as { challengeId: string };
      const code = codeAt(secret, clock.now());
      const proof = { code, purpose: 'security_settings', challengeId };
      await request(app).post('/api/security/step-up/verify').send(proof).expect(200);
      await request(app).post('/api/auth/login/complete').send({ challengeId }).expect(200);
    }
    expect(await liveSessionsOf(member.staffId)).toHaveLength(1);
    expect(await sessionsOf(member.staffId)).toHaveLength(2);
  });
});
