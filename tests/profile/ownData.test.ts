import { sql } from 'drizzle-orm';
import request from 'supertest';
import { app, deps } from '@/server/app';
import { db } from '@/server/db';
import { mails, tenantStaff } from '@/server/db/schema';
import { auditOf } from '@/tests/helpers/database/authRows';
import { login } from '@/tests/helpers/http/authCalls';
import { giveOneOfEach } from '@/tests/helpers/isolation/oneOfEach';
import { IMPERSONATION, impersonate, seedPair } from '@/tests/helpers/people/impersonators';
import { as } from '@/tests/helpers/people/officer';
import { ABROAD, attemptLogin, seedTraveller } from '@/tests/helpers/people/traveller';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import { codeAt, giveFactor } from '@/tests/helpers/stepUp/secondFactor';

const ask = (token: string, headers = {}) =>
  request(app)
    .post('/api/auth/me/data')
    .set({ authorization: `Bearer ${token}`, ...headers });
const bypass = { 'x-stepup-test-bypass': '1' };

describe('POST /api/auth/me/data', () => {
  it('is a file with everything about the person in this tenant, and no secret', async () => {
    const who = await seedTraveller(app);
    await attemptLogin(app, who, ABROAD);
    await giveOneOfEach(who);
    const res = await ask(who.token, bypass);
    expect(res.status).toBe(200);
    expect(res.headers['content-type']).toMatch(/^application\/json/);
    expect(res.headers['content-disposition']).toMatch(
      /^attachment; filename="own-data-\d{4}-\d\d-\d\d\.json"$/,
    );
    expect(res.headers['cache-control']).toBe('no-store');
    const { tenantId, tenantSlug, staffId, userId, email } = who;
    expect(res.body).toMatchObject({
      format: 'gatehouse-own-data-1',
      tenant: { id: tenantId, slug: tenantSlug },
      profile: { userId, email, name: null, status: 'active' },
      membership: { staffId, status: 'active', permissions: expect.any(Array) },
      memberships: [{ slug: tenantSlug, status: 'active' }],
      sessions: expect.arrayContaining([expect.objectContaining({ id: who.sessionId })]),
      factors: [{ type: 'totp' }, { type: 'passkey' }],
      recoveryCodes: { left: 1 },
      known: {
        devices: expect.arrayContaining([
          { firstSeenAt: expect.any(String), lastSeenAt: expect.any(String) },
        ]),
        networks: expect.arrayContaining([
          expect.objectContaining({ network: expect.any(String) }),
        ]),
        countries: expect.arrayContaining([expect.objectContaining({ country: 'GB' })]),
        addresses: expect.any(Array),
        hours: { loginsByHourUtc: expect.any(Array) },
      },
      stepUps: [{ origin: 'login', purpose: 'security_settings', score: expect.any(Number) }],
      emailChanges: [{ from: 'a@example.com', to: 'b@example.com' }],
      impersonatedBy: [
        {
          with: { email: expect.stringContaining('@') },
          ...{ reason: 'Look', scope: 'read_only', endedAt: null },
          opened: [{ route: 'GET /api/auth/me', times: 1 }],
        },
      ],
      impersonated: [],
      impersonationConsent: { withdrawnAt: null },
      directory: { userName: 'a@example.com' },
      mails: [{ kind: 'new_device' }],
      events: expect.arrayContaining([expect.objectContaining({ by: 'you' })]),
      eventsNextCursor: null,
    });
    expect(res.text).not.toMatch(/hash|sealed|secret|argon2|token/i);
    expect(res.text).not.toContain(who.secret);
  });

  it('shows both people of an impersonation who the other one was, also after its end', async () => {
    const pair = await seedPair();
    const { token } = await impersonate(app, pair, { ticket: 'HELP-7' });
    await as(app, { token }).get('/api/tenants/staff').expect(200);
    await as(app, { token }).get('/api/security/factors').expect(403);
    await as(app, pair.actor).post(`${IMPERSONATION}/stop`, {}).expect(200);
    const facts = {
      ...{ reason: 'To see what they see', ticket: 'HELP-7', endReason: 'stopped' },
      opened: [{ route: 'GET /api/tenants/staff', times: 1 }],
    };
    const { actor, subject } = pair;
    expect((await ask(subject.token, bypass)).body).toMatchObject({
      impersonatedBy: [{ ...facts, with: { staffId: actor.staffId, email: actor.email } }],
      ...{ impersonated: [], impersonationConsent: null, directory: null },
    });
    expect((await ask(actor.token, bypass)).body).toMatchObject({
      impersonated: [{ ...facts, with: { staffId: subject.staffId, email: subject.email } }],
      impersonatedBy: [],
    });
  });

  it('is recorded, with counts alone', async () => {
    const who = await seedTestUserAndToken();
    await ask(who.token, bypass);
    expect(await auditOf('OWN_DATA_EXPORTED', who.tenantId)).toMatchObject([
      {
        actor: who.staffId,
        subject: `staff:${who.staffId}`,
        details: { sessions: 1, events: 0 },
      },
    ]);
  });

  it('has the names of the other tenants of the person, and nothing else of them', async () => {
    const who = await seedTestUserAndToken();
    const other = await seedTestUserAndToken();
    const left = await seedTestUserAndToken();
    const [there] = await db
      .insert(tenantStaff)
      .values({ tenantId: other.tenantId, userId: who.userId, permissions: ['SECRET_POWER'] })
      .returning({ id: tenantStaff.id });
    await db
      .insert(tenantStaff)
      .values({ tenantId: left.tenantId, userId: who.userId, status: 'removed' });
    const elsewhere = (await login(app, { ...who, tenant: other.tenantSlug })).body;
    const res = await ask(who.token, bypass);
    const slugs = (res.body.memberships as { slug: string }[]).map(({ slug }) => slug);
    expect(slugs).toEqual([who.tenantSlug, other.tenantSlug].sort());
    for (const hidden of [other.tenantId, there?.id, 'SECRET_POWER', elsewhere.sessionId]) {
      expect(res.text).not.toContain(hidden);
    }
    expect(res.text).not.toContain(left.tenantSlug);
  });

  it('has nothing of a colleague', async () => {
    const who = await seedTestUserAndToken();
    const colleague = await seedTraveller(app, { tenantId: who.tenantId });
    await giveOneOfEach(colleague);
    const res = await ask(who.token, bypass);
    expect(res.body).toMatchObject({ factors: [], emailChanges: [], mails: [], stepUps: [] });
    for (const hidden of [
      colleague.staffId,
      colleague.userId,
      colleague.email,
      colleague.sessionId,
    ])
      expect(res.text).not.toContain(hidden);
  });

  it('needs a proof for exporting data, which it consumes: two at once with one proof give one file', async () => {
    const who = await seedTestUserAndToken();
    const secret = await giveFactor(who);
    const first = await ask(who.token);
    expect([first.status, first.body.purpose]).toEqual([428, 'data_export']);
    await request(app)
      .post('/api/security/step-up/verify')
      .set('authorization', `Bearer ${who.token}`)
      .send({
        code: codeAt(secret, deps.clock.now()),
        purpose: 'data_export',
        challengeId: first.body.challengeId,
      })
      .expect(200);
    const both = await Promise.all([ask(who.token), ask(who.token)]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 428]);
    expect(await auditOf('OWN_DATA_EXPORTED', who.tenantId)).toHaveLength(1);
  });

  it('has at most a thousand rows in a list, the newest, and the cursor of the other events', async () => {
    const who = await seedTestUserAndToken();
    const { tenantId, userId, staffId } = who;
    const at = new Date();
    const mail = { tenantId, userId, staffId, kind: 'new_device', expiresAt: at, sentAt: at };
    const many = Array.from({ length: 1001 }, (_, n) => ({ ...mail, createdAt: new Date(n) }));
    await db.insert(mails).values(many);
    await db.execute(
      sql`INSERT INTO audit_logs (tenant_id, action, outcome, actor, correlation_id)
          SELECT ${tenantId}, 'AUTH_TOKEN_REFRESH', 'success', ${staffId}, 'many' FROM generate_series(1, 1001)`,
    );
    const { body } = await ask(who.token, bypass);
    expect(body.mails).toHaveLength(1000);
    expect(body.mails.at(-1).createdAt).toBe(new Date(1).toISOString());
    expect(body.events).toHaveLength(1000);
    const rest = await request(app)
      .get('/api/auth/me/events')
      .query({ cursor: body.eventsNextCursor, action: 'AUTH_TOKEN_REFRESH' })
      .set('authorization', `Bearer ${who.token}`);
    expect(rest.body).toMatchObject({ events: [{ by: 'you' }], nextCursor: null });
  });
});
