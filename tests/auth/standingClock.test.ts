import request from 'supertest';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { buildApp, createMovableClock } from '@/tests/helpers/server/testApp';

describe('a seeded access token, for an application with a clock of its own', () => {
  it.each([-3600, 0, 3600])('is of that clock, moved by %i seconds', async (seconds) => {
    const clock = createMovableClock();
    const { app } = buildApp({}, { clock });
    clock.forward(seconds);
    const { token } = await seedTestUserAndToken();
    const res = await request(app).get('/api/auth/me').set('authorization', `Bearer ${token}`);
    expect(res.status).toBe(200);
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    expect(claims.iat).toBe(Math.floor(clock.now().getTime() / 1000));
  });
});
