import { eq } from 'drizzle-orm';
import type { Express } from 'express';
import request from 'supertest';
import { db } from '@/server/db';
import { refreshTokens, userSessions } from '@/server/db/schema';
import { ask } from '@/tests/helpers/database/askDatabase';
import { auditOf, sessionsOf } from '@/tests/helpers/database/authRows';
import { operate } from '@/tests/helpers/server/operatorCommand';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { externalEnv } from '@/tests/helpers/server/serverProcess';
import { buildApp } from '@/tests/helpers/server/testApp';

const env = externalEnv();
const nodes: Express[] = [];

beforeAll(() => {
  nodes.push(buildApp().app, buildApp().app);
});

const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString();
const end = (...words: string[]) => operate(env, ['sessions', 'end', ...words]);
const me = (node: Express | undefined, { token }: SeededAuth) =>
  request(node as Express)
    .get('/api/auth/me')
    .set('authorization', `Bearer ${token}`);
const refresh = (node: Express | undefined, { refreshToken }: SeededAuth) =>
  request(node as Express)
    .post('/api/auth/refresh')
    .send({ refreshToken });

async function signOut(who: SeededAuth): Promise<void> {
  const logout = request(nodes[0] as Express).post('/api/auth/logout');
  await logout.set('authorization', `Bearer ${who.token}`).send({});
  for (const node of nodes) expect((await me(node, who)).status).toBe(401);
}

/** Simulates a failover that lost the transaction of the sign-out. */
async function bringBack(who: SeededAuth): Promise<void> {
  const live = { revokedAt: null, revokeReason: null };
  await db.update(userSessions).set(live).where(eq(userSessions.staffId, who.staffId));
  const token = { ...live, isRevoked: false };
  await db.update(refreshTokens).set(token).where(eq(refreshTokens.staffId, who.staffId));
  for (const node of nodes) expect((await me(node, who)).status).toBe(200);
}

/** Makes a person's sessions begin that many seconds ago. */
const beginAgo = (who: SeededAuth, seconds: number) =>
  db
    .update(userSessions)
    .set({ createdAt: new Date(Date.now() - seconds * 1000) })
    .where(eq(userSessions.staffId, who.staffId));

describe('sessions end', () => {
  it('ends sessions that came back after their sign-out: each next request is refused, on every node', async () => {
    const gone = await seedTestUserAndToken();
    const { tenantId, tenantSlug: tenant, staffId } = gone;
    const colleague = await seedTestUserAndToken({ tenantId });
    const stranger = await seedTestUserAndToken();
    await signOut(gone);
    await bringBack(gone);

    const words = ['--since', ago(30), '--tenant', tenant];
    const counted = await end(...words, '--dry-run');
    expect(JSON.parse(counted.stdout)).toStrictEqual({ dryRun: true, people: 2, sessions: 2 });
    expect((await me(nodes[1], gone)).status).toBe(200);
    expect(await auditOf('SESSIONS_ENDED', tenantId)).toStrictEqual([]);

    const ended = await end(...words, '--ticket', 'OPS-17');
    expect([ended.stderr, JSON.parse(ended.stdout)]).toStrictEqual([
      '',
      { people: 2, sessions: 2 },
    ]);
    for (const who of [gone, colleague]) {
      for (const node of nodes) expect((await me(node, who)).status).toBe(401);
      const refused = await refresh(nodes[1], who);
      expect([refused.status, refused.body]).toStrictEqual([
        401,
        { error: 'FORCE_LOGOUT', reason: 'force_logout' },
      ]);
    }
    expect((await me(nodes[1], stranger)).status).toBe(200);
    expect((await sessionsOf(staffId)).map((one) => one.revokeReason)).toStrictEqual([
      'force_logout',
    ]);
  });

  it('records an event for each person and one for the whole: who, why, how many, and from when to when', async () => {
    const first = await seedTestUserAndToken();
    const { tenantId, tenantSlug: tenant } = first;
    await seedTestUserAndToken({ tenantId });
    await beginAgo(first, 60);
    const [since, until] = [ago(30), ago(20)];
    const words = ['--since', since, '--until', until, '--tenant', tenant, '--ticket', 'OPS-18'];
    expect((await end(...words)).code).toBe(0);
    const actor = expect.stringMatching(/^operator:/);
    expect(await auditOf('SESSION_INVALIDATED', tenantId)).toMatchObject([
      {
        ...{ actor, subject: `staff:${first.staffId}` },
        details: { reason: 'force_logout', sessionsRevoked: 1, tokensRevoked: 1, ticket: 'OPS-18' },
      },
    ]);
    expect(await auditOf('SESSIONS_ENDED', tenantId)).toMatchObject([
      {
        ...{ actor, subject: `tenant:${tenantId}`, outcome: 'success' },
        details: { since, until, people: 1, sessions: 1, via: 'operator', ticket: 'OPS-18' },
      },
    ]);
  });

  it('leaves those signed in whose sessions began after the takeover, and finds nothing left the second time', async () => {
    const old = await seedTestUserAndToken();
    const { tenantId, tenantSlug: tenant } = old;
    await beginAgo(old, 60);
    const since = await seedTestUserAndToken({ tenantId });
    const words = ['--since', ago(30), '--until', ago(20), '--tenant', tenant];
    expect(JSON.parse((await end(...words)).stdout)).toStrictEqual({ people: 1, sessions: 1 });
    expect((await me(nodes[0], old)).status).toBe(401);
    expect((await me(nodes[0], since)).status).toBe(200);
    expect(await end(...words)).toStrictEqual({
      code: 1,
      stdout: '',
      stderr: 'Nobody has a live session that began before that moment.\n',
    });
    expect(await auditOf('SESSIONS_ENDED', tenantId)).toHaveLength(1);
  });

  it('ends tokens too that have no session, as an outage of that table leaves them', async () => {
    const who = await seedTestUserAndToken();
    await db
      .update(refreshTokens)
      .set({ sessionId: null })
      .where(eq(refreshTokens.staffId, who.staffId));
    await db.delete(userSessions).where(eq(userSessions.staffId, who.staffId));
    const ended = await end('--since', ago(30), '--tenant', who.tenantSlug);
    expect(JSON.parse(ended.stdout)).toStrictEqual({ people: 1, sessions: 0 });
    expect((await refresh(nodes[1], who)).status).toBe(401);
  });

  it('ends those of all tenants if it is told of none, and tells of it in the log of no tenant', async () => {
    const people = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    const ended = await end('--since', ago(30));
    expect(ended.code).toBe(0);
    for (const who of people) expect((await me(nodes[1], who)).status).toBe(401);
    const events = await ask(
      env['DATABASE_URL'] ?? '',
      `SELECT subject, (details->>'people')::int AS people FROM audit_logs WHERE tenant_id IS NULL AND action = 'SESSIONS_ENDED'`,
    );
    const { people: count } = JSON.parse(ended.stdout) as { people: number };
    expect(count).toBeGreaterThanOrEqual(2);
    expect(events).toStrictEqual([{ subject: null, people: count }]);
  });

  it.each([
    [['--since', 'yesterday'], '--since must be an instant such as 2026-01-31T08:00:00Z.'],
    [[], '--since is missing.'],
    [['--since', ago(-3600)], '--since lies in the future.'],
    [['--since', ago(30), '--until', ago(60)], '--until lies before --since.'],
    [['--since', ago(30), '--tenant', 'nobody-here'], "There is no tenant 'nobody-here'."],
  ])('is refused if it is wrong, and ends nothing: %#', async (words, sentence) => {
    const { code, stdout, stderr } = await end(...words);
    expect({ code, stdout, stderr }).toStrictEqual({
      code: 1,
      stdout: '',
      stderr: `${sentence}\n`,
    });
  });
});
