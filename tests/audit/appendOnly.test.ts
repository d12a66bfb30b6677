import { count, eq, sql } from 'drizzle-orm';
import request from 'supertest';
import { app } from '@/server/app';
import { AUDIT_ACTIONS, recordAudit, toAuditRow } from '@/server/audit';
import type { AuditEvent } from '@/server/audit';
import type { RequestContext } from '@/server/context';
import { db } from '@/server/db';
import { auditLogs, refreshTokens, userSessions } from '@/server/db/schema';
import { askForProof } from '@/tests/helpers/stepUp/askForProof';
import { withoutTable } from '@/tests/helpers/database/authRows';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

const context: RequestContext = {
  correlationId: 'audit-test',
  tenantId: null,
  actor: 'system',
  sessionId: null,
  ip: null,
  country: null,
  userAgent: null,
};

const countEvents = async () => (await db.select({ n: count() }).from(auditLogs))[0]?.n;

describe('the audit log', () => {
  beforeAll(async () => {
    await request(app)
      .post('/api/auth/login')
      .send({ email: 'test@example.com', password: 'Password123!' })
      .expect(200);
  });

  it.each([
    ['UPDATE', `UPDATE audit_logs SET actor = 'somebody else'`],
    ['an UPDATE of no row', `UPDATE audit_logs SET actor = 'somebody else' WHERE false`],
    ['DELETE', 'DELETE FROM audit_logs'],
    ['a DELETE through a CTE', 'WITH gone AS (DELETE FROM audit_logs RETURNING 1) SELECT 1'],
    ['TRUNCATE', 'TRUNCATE audit_logs'],
    ['a TRUNCATE of several tables', 'TRUNCATE known_devices, audit_logs CASCADE'],
    [
      'an INSERT that overwrites',
      `INSERT INTO audit_logs SELECT * FROM audit_logs ON CONFLICT (id) DO UPDATE SET actor = 'x'`,
    ],
    [
      'an UPDATE without the triggers of replication',
      `SET session_replication_role = replica; UPDATE audit_logs SET actor = 'x'`,
    ],
    [
      'a MERGE',
      `MERGE INTO audit_logs a USING audit_logs b ON a.id = b.id WHEN MATCHED THEN DELETE`,
    ],
  ])('refuses %s, to its owner too', async (name, statement) => {
    const { rows } = await db.execute<{ version: number }>(
      sql`SELECT current_setting('server_version_num')::int AS version`,
    );
    // Postgres 14 does not know MERGE.
    const isUnknown = name === 'a MERGE' && Number(rows[0]?.version) < 150_000;
    const refusal = isUnknown ? 'syntax error at or near "MERGE"' : 'audit_logs is append-only';
    const before = await db.select().from(auditLogs).orderBy(auditLogs.id);
    expect(before.length).toBeGreaterThan(0);
    await expect(db.execute(sql.raw(statement))).rejects.toMatchObject({
      cause: { message: expect.stringContaining(refusal) },
    });
    expect(await db.select().from(auditLogs).orderBy(auditLogs.id)).toEqual(before);
  });
});

describe('an event', () => {
  it('exists exactly if what it records does: a rollback takes it along', async () => {
    const before = await countEvents();
    const failing = db.transaction(async (tx) => {
      const event = { action: 'AUTH_LOGOUT', outcome: 'success' } as const;
      await recordAudit(tx, context, { ...event, details: { scope: 'all' } });
      throw new Error('the action failed after all');
    });
    await expect(failing).rejects.toThrow('after all');
    expect(await countEvents()).toBe(before);
  });

  it.each([
    ['a field that its action does not name', { scope: 'all', password: 'secret' }],
    ['a value that its action does not know', { scope: 'everything' }],
    ['a field missing', {}],
    ['a nested surprise', { scope: 'all', degraded: { token: 'x' } }],
  ])('with %s is refused, and so is the action around it', async (_name, details) => {
    const before = await countEvents();
    const event = { action: 'AUTH_LOGOUT', outcome: 'success', details } as unknown as AuditEvent;
    await expect(db.transaction((tx) => recordAudit(tx, context, event))).rejects.toThrow();
    expect(await countEvents()).toBe(before);
  });

  it.each(Object.keys(AUDIT_ACTIONS))('%s takes no field that its schema does not name', (name) => {
    const schema = AUDIT_ACTIONS[name as keyof typeof AUDIT_ACTIONS];
    const { error } = schema.safeParse({ refreshToken: 'ghr_secret' });
    // If an action has several forms, none of them may accept it.
    const [first] = error?.issues ?? [];
    const isWhole = first?.code === 'invalid_union' && first.path.length === 0;
    const forms = isWhole ? first.errors : [error?.issues ?? []];
    for (const issues of forms) {
      expect(issues.map(({ code }) => code)).toContain('unrecognized_keys');
    }
    const event = { action: name, outcome: 'success', details: { refreshToken: 'ghr_secret' } };
    expect(() => toAuditRow(context, event as unknown as AuditEvent)).toThrow();
  });
});

describe('where an event cannot be written', () => {
  const sessionsOf = (staffId: string) =>
    db.select().from(userSessions).where(eq(userSessions.staffId, staffId));
  const tokensOf = (staffId: string) =>
    db.select().from(refreshTokens).where(eq(refreshTokens.staffId, staffId));
  const expectUnavailable = (res: request.Response) => {
    expect([res.status, res.body.error]).toEqual([503, 'SCHEMA_UNAVAILABLE']);
    expect(Number(res.headers['retry-after'])).toBeGreaterThan(0);
    expect(res.text).not.toMatch(/accessToken|refreshToken|audit_logs|INSERT/);
  };

  it('a login answers 503 and leaves no session and no token', async () => {
    const { email, password, staffId } = await seedTestUserAndToken();
    const before = [await sessionsOf(staffId), await tokensOf(staffId)];
    await withoutTable('audit_logs', async () => {
      expectUnavailable(await request(app).post('/api/auth/login').send({ email, password }));
    });
    expect([await sessionsOf(staffId), await tokensOf(staffId)]).toEqual(before);
    const res = await request(app).post('/api/auth/login').send({ email, password });
    expect(res.status).toBe(200);
  });

  it('a refresh answers 503 and spends nothing', async () => {
    const { refreshToken, staffId } = await seedTestUserAndToken();
    const before = await tokensOf(staffId);
    await withoutTable('audit_logs', async () => {
      expectUnavailable(await request(app).post('/api/auth/refresh').send({ refreshToken }));
    });
    expect(await tokensOf(staffId)).toEqual(before);
    const res = await request(app).post('/api/auth/refresh').send({ refreshToken });
    expect(res.status).toBe(200);
  });

  it.each(['/api/auth/logout', '/api/auth/logout-all'])('%s ends nothing', async (path) => {
    const { token, staffId } = await seedTestUserAndToken();
    const bearer = `Bearer ${token}`;
    await withoutTable('audit_logs', async () => {
      expectUnavailable(await request(app).post(path).set('authorization', bearer));
    });
    expect((await sessionsOf(staffId)).map(({ revokedAt }) => revokedAt)).toEqual([null]);
    expect((await request(app).get('/api/auth/me').set('authorization', bearer)).status).toBe(200);
  });

  it('a step-up is not verified, and its code not spent', async () => {
    const member = await seedTestUserAndToken();
    const secret = await giveFactor(member);
    const verify = () =>
      request(app)
        .post('/api/security/step-up/verify')
        .set('authorization', `Bearer ${member.token}`)
        .send({ code, purpose: 'data_export' });
    const code = codeAt(secret, new Date());
    await askForProof(app, member.token, 'data_export');
    await withoutTable('audit_logs', async () => expectUnavailable(await verify()));
    expect((await verify()).status).toBe(200);
  });

  it('an enrolment leaves no factor', async () => {
    const { token, staffId } = await seedTestUserAndToken();
    await withoutTable('audit_logs', async () => {
      const enroll = request(app).post('/api/security/totp/enroll');
      expectUnavailable(await enroll.set('authorization', `Bearer ${token}`));
    });
    const { rows } = await db.execute(sql`SELECT 1 FROM user_totp WHERE staff_id = ${staffId}`);
    expect(rows).toEqual([]);
  });
});
