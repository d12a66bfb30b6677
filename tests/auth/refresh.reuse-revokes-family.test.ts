import { eq } from 'drizzle-orm';
import request from 'supertest';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { auditLogs, refreshTokens, tenantStaff } from '@/server/db/schema';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

const refresh = (refreshToken: string) =>
  request(app).post('/api/auth/refresh').send({ refreshToken });

describe('a rotated refresh token that comes back', () => {
  it('revokes the whole family and bumps tenant_staff.session_version', async () => {
    const seeded = await seedTestUserAndToken();
    const second = await refresh(seeded.refreshToken);
    expect(second.status).toBe(200);
    const third = await refresh(second.body.refreshToken);
    expect(third.status).toBe(200);

    const replay = await refresh(seeded.refreshToken);
    expect(replay.status).toBe(401);
    expect(replay.body).toStrictEqual({ error: 'FORCE_LOGOUT', reason: 'reuse_detected' });

    const links = await db
      .select()
      .from(refreshTokens)
      .where(eq(refreshTokens.staffId, seeded.staffId))
      .orderBy(refreshTokens.createdAt, refreshTokens.id);
    expect(links.map((link) => [link.familyId, link.isRevoked, link.revokeReason])).toEqual([
      [null, true, 'rotation'],
      [seeded.refreshTokenId, true, 'rotation'],
      [seeded.refreshTokenId, true, 'reuse_detected'],
    ]);
    const [staff] = await db.select().from(tenantStaff).where(eq(tenantStaff.id, seeded.staffId));
    expect(staff?.sessionVersion).toBe(2);

    const me = await request(app)
      .get('/api/auth/me')
      .set('authorization', `Bearer ${third.body.accessToken}`);
    expect(me.status).toBe(401);
    const last = await refresh(third.body.refreshToken);
    expect(last.body).toStrictEqual({ error: 'FORCE_LOGOUT', reason: 'reuse_detected' });

    const events = await db.select().from(auditLogs).where(eq(auditLogs.tenantId, seeded.tenantId));
    const actions = events.map(({ action }) => action);
    expect(actions).toEqual(
      expect.arrayContaining(['REFRESH_REUSE_DETECTED', 'SESSION_INVALIDATED']),
    );
  });
});
