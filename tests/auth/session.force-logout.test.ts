import { forceLogout } from '@/server/tenants';
import request from 'supertest';
import { app } from '@/server/app';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

const me = (token: string) =>
  request(app).get('/api/auth/me').set('authorization', `Bearer ${token}`);

describe('a forced logout', () => {
  it('by another node refuses the very next request of every session, and nobody else', async () => {
    const otherNode = openNode();
    const victim = await seedTestUserAndToken();
    const colleague = await seedTestUserAndToken({ tenantId: victim.tenantId });
    expect((await me(victim.accessToken)).status).toBe(200);

    await forceLogout(otherNode.deps, operatorContext, victim.tenantId, victim.staffId);

    const refused = await me(victim.accessToken);
    expect(refused.status).toBe(401);
    expect(refused.body).toStrictEqual({ error: 'FORCE_LOGOUT', reason: 'force_logout' });
    const refresh = await request(app)
      .post('/api/auth/refresh')
      .send({ refreshToken: victim.refreshToken });
    expect(refresh.status).toBe(401);
    expect(refresh.body).toStrictEqual({ error: 'FORCE_LOGOUT', reason: 'force_logout' });
    expect((await me(colleague.accessToken)).status).toBe(200);
  });
});
