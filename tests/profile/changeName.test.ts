import { eq } from 'drizzle-orm';
import request from 'supertest';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { tenantStaff, users } from '@/server/db/schema';
import { auditOf } from '@/tests/helpers/database/authRows';
import { login, me } from '@/tests/helpers/http/authCalls';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

const put = (token: string, body: object) =>
  request(app).put('/api/auth/me').set('authorization', `Bearer ${token}`).send(body);

const nameOf = async (userId: string) => {
  const [row] = await db.select().from(users).where(eq(users.id, userId));
  return row?.name;
};

describe('PUT /api/auth/me', () => {
  it('sets the own name, which the next request shows, and null removes it', async () => {
    const { token } = await seedTestUserAndToken();
    expect((await me(app, token)).body.name).toBeNull();
    const set = await put(token, { name: '  Zoë  ' });
    expect([set.status, set.body]).toEqual([200, { name: 'Zoë' }]);
    expect((await me(app, token)).body.name).toBe('Zoë');
    expect((await put(token, { name: null })).body).toEqual({ name: null });
    expect((await me(app, token)).body.name).toBeNull();
  });

  it("is recorded in the session's tenant, without the name, and only if the name changes", async () => {
    const who = await seedTestUserAndToken();
    for (const name of ['Zoë', 'Zoë', null, null]) await put(who.token, { name });
    const events = await auditOf('PROFILE_CHANGED', who.tenantId);
    expect(events).toMatchObject([
      { actor: who.staffId, subject: `staff:${who.staffId}`, sessionId: who.sessionId },
      { details: { field: 'name', change: 'removed' } },
    ]);
    expect(events[0]?.details).toMatchObject({ field: 'name', change: 'set' });
    expect(JSON.stringify(events)).not.toContain('Zoë');
  });

  it('is one name in every tenant of the person, and nobody else has it', async () => {
    const who = await seedTestUserAndToken();
    const other = await seedTestUserAndToken();
    await db.insert(tenantStaff).values({ tenantId: other.tenantId, userId: who.userId });
    await put(who.token, { name: 'Zoë' });
    const there = (await login(app, { ...who, tenant: other.tenantSlug })).body;
    expect((await me(app, there.accessToken)).body.name).toBe('Zoë');
    expect(await nameOf(other.userId)).toBeNull();
    expect(await auditOf('PROFILE_CHANGED', other.tenantId)).toEqual([]);
  });

  it('takes 100 characters, counted as people do, in the composed form', async () => {
    const { token } = await seedTestUserAndToken();
    const long = '😀'.repeat(100);
    expect((await put(token, { name: long })).body).toEqual({ name: long });
    expect((await put(token, { name: 'Zoe\u0308' })).body).toEqual({ name: 'Zo\u00EB' });
  });

  it.each([
    ['empty', ''],
    ['white space', ' \u00A0\u200B '],
    ['101 characters', 'x'.repeat(101)],
    ['very long', 'x'.repeat(5000)],
    ['a line break', 'Zoë\nAdmin'],
    ['a control character', 'Zo\u0007ë'],
    ['a line separator', 'Zoë\u2028Admin'],
    ['a mark that reverses the text', 'Zoë\u202Enimda'],
    ['NUL', 'Zo\0ë'],
    ['half a surrogate pair', 'Zo\uD800ë'],
    ['a number', 7],
    ['a list', ['Zoë']],
    ['missing', undefined],
  ])('refuses a name that is %s: 400, and nothing changes', async (_what, name) => {
    const { token, userId, tenantId } = await seedTestUserAndToken();
    const res = await put(token, { name });
    expect([res.status, res.body.error]).toEqual([400, 'INVALID_INPUT']);
    expect(res.body.issues[0].path).toBe('name');
    expect(await nameOf(userId)).toBeNull();
    expect(await auditOf('PROFILE_CHANGED', tenantId)).toEqual([]);
  });

  it('needs a session', async () => {
    expect((await request(app).put('/api/auth/me').send({ name: 'Zoë' })).status).toBe(401);
  });
});
