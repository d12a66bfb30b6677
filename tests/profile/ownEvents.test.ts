import { sql } from 'drizzle-orm';
import request from 'supertest';
import { app, deps } from '@/server/app';
import { recordAudit } from '@/server/audit';
import { systemContext } from '@/server/context';
import type { RequestContext } from '@/server/context';
import { db } from '@/server/db';
import { forceLogout } from '@/server/tenants';
import { login } from '@/tests/helpers/http/authCalls';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { AUDIT_TRIGGERS_OFF, AUDIT_TRIGGERS_ON } from '@/tests/helpers/database/auditTriggers';

const events = (token: string, query: object = {}) =>
  request(app).get('/api/auth/me/events').query(query).set('authorization', `Bearer ${token}`);

type Event = Parameters<typeof recordAudit>[2];

const contextOf = (actor: string): RequestContext => ({
  ...systemContext('own-events'),
  actor,
  ip: '81.2.69.142',
  country: 'GB',
  userAgent: 'Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0',
});

/** Records an event of a tenant by an actor, on a day in the past. */
async function record(tenantId: string, actor: string, event: Event, daysAgo = 0): Promise<void> {
  await db.transaction((tx) => recordAudit(tx, contextOf(actor), { ...event, tenantId }));
  if (daysAgo === 0) return;
  await db.transaction(async (tx) => {
    await tx.execute(sql.raw(AUDIT_TRIGGERS_OFF));
    await tx.execute(
      sql`UPDATE audit_logs SET occurred_at = occurred_at - make_interval(days => ${daysAgo}) WHERE id = (SELECT max(id::text)::uuid FROM audit_logs WHERE tenant_id = ${tenantId})`,
    );
    await tx.execute(sql.raw(AUDIT_TRIGGERS_ON));
  });
}

const unlocked = (who: Pick<SeededAuth, 'staffId'>): Event => ({
  action: 'STAFF_UNLOCKED',
  outcome: 'success',
  subject: `staff:${who.staffId}`,
  details: { via: 'operator' },
});

interface Shown {
  id: string;
  action: string;
  by: string;
}
const pageOf = async (token: string, query: object = {}) => {
  const res = await events(token, query);
  expect(res.status).toBe(200);
  return res.body as { events: Shown[]; nextCursor: string | null };
};

describe('GET /api/auth/me/events', () => {
  it('shows what the person did, with place, device and details, without any permission', async () => {
    const who = await seedTestUserAndToken();
    await record(who.tenantId, who.staffId, unlocked(await seedTestUserAndToken()));
    const { events: shown } = await pageOf(who.token);
    expect(shown).toMatchObject([
      {
        action: 'STAFF_UNLOCKED',
        outcome: 'success',
        by: 'you',
        subject: expect.stringMatching(/^staff:/),
        ip: '81.2.69.142',
        country: 'GB',
        device: 'Firefox on Windows',
        details: { via: 'operator' },
      },
    ]);
  });

  it.each([
    ['another member', 'member'],
    ['an operator', 'operator'],
    ['the server', 'operator'],
  ])(
    'shows what %s did to the person, but not who, from where or in which words',
    async (_who, by) => {
      const who = await seedTestUserAndToken();
      const officer = await seedTestUserAndToken({ tenantId: who.tenantId });
      const actors: Record<string, string> = {
        member: officer.staffId,
        operator: 'operator:ann@ops',
      };
      await record(
        who.tenantId,
        _who === 'the server' ? 'system' : (actors[by] ?? ''),
        unlocked(who),
      );
      const res = await events(who.token);
      expect(res.body.events).toEqual([
        {
          id: expect.any(String),
          occurredAt: expect.any(String),
          action: 'STAFF_UNLOCKED',
          outcome: 'success',
          by,
          subject: `staff:${who.staffId}`,
          sessionId: null,
          ip: null,
          country: null,
          device: null,
          details: null,
        },
      ]);
      for (const hidden of [officer.staffId, 'ann@ops']) expect(res.text).not.toContain(hidden);
    },
  );

  it('shows from where somebody tried to sign in', async () => {
    const who = await seedTestUserAndToken();
    await record(who.tenantId, 'anonymous', {
      action: 'AUTH_LOGIN_FAILED',
      outcome: 'failure',
      subject: `staff:${who.staffId}`,
      details: { reason: 'wrong_password' },
    });
    expect((await pageOf(who.token)).events).toMatchObject([
      { by: 'anonymous', ip: '81.2.69.142', details: null },
    ]);
  });

  it('shows nothing about others, and nothing of another tenant of the same person', async () => {
    const who = await seedTestUserAndToken();
    const colleague = await seedTestUserAndToken({ tenantId: who.tenantId });
    await record(who.tenantId, colleague.staffId, unlocked(colleague));
    const elsewhere = await seedTestUserAndToken();
    await record(elsewhere.tenantId, who.staffId, unlocked(who));
    expect(await pageOf(who.token)).toEqual({ events: [], nextCursor: null });
  });

  it('comes in pages, newest first, each event once, over many days', async () => {
    const who = await seedTestUserAndToken();
    const officer = await seedTestUserAndToken({ tenantId: who.tenantId });
    for (const daysAgo of [900, 400, 60, 3, 1, 0]) {
      await record(who.tenantId, who.staffId, unlocked(who), daysAgo);
      await record(who.tenantId, officer.staffId, unlocked(who), daysAgo);
      await record(who.tenantId, officer.staffId, unlocked(officer), daysAgo);
    }
    const { events: all } = await pageOf(who.token);
    expect(all.map(({ by }) => by).sort()).toEqual([
      ...Array<string>(6).fill('member'),
      ...Array<string>(6).fill('you'),
    ]);
    const paged: Shown[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof pageOf>> = await pageOf(who.token, {
        limit: 5,
        ...(cursor === null ? {} : { cursor }),
      });
      paged.push(...page.events);
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(paged).toEqual(all);
  });

  it('can be limited to some actions', async () => {
    const who = await seedTestUserAndToken();
    const { accessToken } = (await login(app, who)).body;
    await record(who.tenantId, who.staffId, unlocked(who));
    const { events: some } = await pageOf(accessToken, { action: 'STAFF_UNLOCKED' });
    expect(some.map(({ action }) => action)).toEqual(['STAFF_UNLOCKED']);
    const { events: all } = await pageOf(accessToken);
    expect(all.map(({ action }) => action)).toContain('AUTH_LOGIN_SUCCEEDED');
  });

  it('shows that an operator ended the sessions, after the next sign-in', async () => {
    const who = await seedTestUserAndToken();
    await forceLogout(deps, operatorContext, who.tenantId, who.staffId);
    expect((await events(who.token)).status).toBe(401);
    const { accessToken } = (await login(app, who)).body;
    expect((await pageOf(accessToken, { action: 'SESSION_INVALIDATED' })).events).toMatchObject([
      { by: 'operator', subject: `staff:${who.staffId}` },
    ]);
  });

  it.each([
    ['a cursor of nobody', { cursor: 'x' }],
    ['a page of 201', { limit: 201 }],
    ['a page of none', { limit: 0 }],
    ['an unknown action', { action: 'NO_SUCH_ACTION' }],
    ['a filter that does not exist', { actor: 'me' }],
  ])('refuses %s: 400', async (_what, query) => {
    const { token } = await seedTestUserAndToken();
    expect((await events(token, query)).status).toBe(400);
  });
});
