import request from 'supertest';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { refreshTokens, userSessions } from '@/server/db/schema';

describe('a login where user_sessions exists', () => {
  it('opens one session, with one live token that belongs to it', async () => {
    const res = await request(app)
      .post('/api/auth/login')
      .set('user-agent', 'regression/1.0')
      .send({ email: 'test@example.com', password: 'Password123!' });
    expect(res.status).toBe(200);
    expect(res.body).toMatchObject({ requiresStepUp: false });
    expect(res.body).not.toHaveProperty('degraded');

    const sessions = await db.select().from(userSessions);
    expect(sessions).toHaveLength(1);
    expect(sessions[0]).toMatchObject({
      id: res.body.sessionId,
      sessionVersion: 1,
      userAgent: 'regression/1.0',
      revokedAt: null,
    });
    const tokens = await db.select().from(refreshTokens);
    expect(tokens).toHaveLength(1);
    expect(tokens[0]).toMatchObject({
      sessionId: res.body.sessionId,
      tenantId: sessions[0]?.tenantId,
      familyId: null,
      isRevoked: false,
    });
    expect(JSON.stringify(tokens)).not.toContain(res.body.refreshToken);

    const me = await request(app)
      .get('/api/auth/me')
      .set('authorization', `Bearer ${res.body.accessToken}`);
    expect(me.status).toBe(200);
    expect(me.body.sessionId).toBe(sessions[0]?.id);
  });
});
