import { eq, sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { changeMembershipEnd, endMemberships } from '@/server/tenants';
import { WAITS_FOR_LOCK } from '@/tests/helpers/database/askDatabase';
import { auditOf, liveSessionsOf, liveTokensOf } from '@/tests/helpers/database/authRows';
import { login, me, refresh } from '@/tests/helpers/http/authCalls';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { demandApprovals } from '@/tests/helpers/people/fourEyes';
import { impersonate, seedPair } from '@/tests/helpers/people/impersonators';
import {
  GOOD_PASSWORD,
  INVITATIONS,
  accept,
  inviteByLink,
  membershipsOf,
  newAddress,
} from '@/tests/helpers/people/invitationCalls';
import { as } from '@/tests/helpers/people/officer';
import { makeApiKey, makeServiceKey, withKey } from '@/tests/helpers/people/programs';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { pollUntil } from '@/tests/helpers/time/pollUntil';
import { openNode, operatorContext } from '@/tests/helpers/server/openNode';

const here = openNode();
const there = openNode();
const { app, deps } = here;
const operator = { via: 'operator' } as const;
const HOUR_MS = 3_600_000;
const inHours = (hours: number) => new Date(Date.now() + hours * HOUR_MS).toISOString();
const refusalOf = (res: { status: number; body: { error?: string } }) => [
  res.status,
  res.body.error,
];

/** Moves the end of a membership, as if so much time had passed. */
async function setEnd({ staffId }: Pick<SeededAuth, 'staffId'>, from: string): Promise<void> {
  const endsAt = sql`clock_timestamp() + ${from}::interval`;
  await db.update(tenantStaff).set({ endsAt }).where(eq(tenantStaff.id, staffId));
}
const pass = (who: Pick<SeededAuth, 'staffId'>) => setEnd(who, '-1 second');
const rowOf = async ({ staffId }: Pick<SeededAuth, 'staffId'>) =>
  (await db.select().from(tenantStaff).where(eq(tenantStaff.id, staffId)))[0];

const end = (by: SeededAuth, who: Pick<SeededAuth, 'staffId'>, endsAt: string | null, more = {}) =>
  as(app, by).put(`/api/tenants/staff/${who.staffId}/end`, { endsAt, ...more });

describe('an invitation with an end', () => {
  it('makes a membership with that end, which invitation, list, mail and events show', async () => {
    const administrator = await seedAdministrator();
    const membershipEndsAt = inHours(48);
    const { id, email, token } = await inviteByLink(app, administrator, { membershipEndsAt });
    const shown = await as(app, administrator).get(`${INVITATIONS}/${id}`);
    expect(shown.body).toMatchObject({ membershipEndsAt, expiresAt: membershipEndsAt });
    const seen = await request(app).get(`/api/invitations/${token}`);
    expect(seen.body).toMatchObject({ membershipEndsAt });
    expect((await request(app).get(`/invitation/${token}`)).text).toContain(
      membershipEndsAt.slice(0, 16).replace('T', ' '),
    );
    const person = await seedTestUserAndToken();
    await db.execute(sql`UPDATE users SET email = ${email} WHERE id = ${person.userId}`);
    expect((await accept(app, token, {}, person.token)).status).toBe(200);
    const joined = (await membershipsOf(email)).find(
      ({ tenantId }) => tenantId === administrator.tenantId,
    );
    const path = `/api/tenants/staff/${joined?.staffId ?? ''}`;
    expect((await as(app, administrator).get(path)).body).toMatchObject({
      endsAt: membershipEndsAt,
    });
    const [created] = await auditOf('STAFF_CREATED', administrator.tenantId);
    expect(created?.details).toMatchObject({ endsAt: membershipEndsAt, via: 'invitation' });
    const [invited] = await auditOf('INVITATION_CREATED', administrator.tenantId);
    expect(invited?.details).toMatchObject({ membershipEndsAt });
  });

  it.each([
    ['has passed', -1],
    ['is closer than five minutes', 0.08],
    ['is more than ten years away', 24 * 366 * 11],
  ])('is refused if the end %s, and so is such an end of a member', async (_which, hours) => {
    const administrator = await seedAdministrator();
    const membershipEndsAt = inHours(hours);
    const body = { email: newAddress(), roles: [], delivery: 'link', membershipEndsAt };
    const refused = await as(app, administrator).post(INVITATIONS, body);
    expect(refusalOf(refused)).toEqual([400, 'INVALID_INPUT']);
    expect(refused.body.issues).toMatchObject([{ path: 'membershipEndsAt' }]);
    const member = await seedTestUserAndToken({ tenantId: administrator.tenantId });
    const changed = await end(administrator, member, membershipEndsAt);
    expect(changed.body.issues).toMatchObject([{ path: 'endsAt' }]);
  });

  it('cannot be accepted or sent again after that end', async () => {
    const administrator = await seedAdministrator();
    const { id, token } = await inviteByLink(app, administrator, { membershipEndsAt: inHours(1) });
    const past = sql`now() - interval '1 second'`;
    await db.execute(
      sql`UPDATE invitations SET membership_ends_at = ${past}, expires_at = ${past} WHERE id = ${id}`,
    );
    const taken = await accept(app, token, { password: GOOD_PASSWORD }, administrator.token);
    expect(refusalOf(taken)).toEqual([410, 'INVITATION_EXPIRED']);
    expect(refusalOf(await as(app, administrator).post(`${INVITATIONS}/${id}/resend`, {}))).toEqual(
      [409, 'INVITATION_NO_LONGER_VALID'],
    );
  });
});

describe('a membership that has ended, before any node has removed it,', () => {
  /** Each way in, as a status; every one is open to the member before the end. */
  const WAYS: [
    string,
    (who: SeededAuth, keys: { api: string; service: string }) => Promise<unknown>,
  ][] = [
    ['their next request', async ({ token }) => (await me(there.app, token)).status],
    ['a refresh', async (who) => (await refresh(there.app, who.refreshToken)).status],
    ['a sign-in', async (who) => (await login(there.app, who)).status],
    [
      'a program with their key',
      async (_who, { api }) => (await withKey(there.app, api).get('/api/tenants/staff')).status,
    ],
    [
      'an introspection of their token',
      async ({ token }, { service }) => {
        const asked = await withKey(there.app, service).post('/api/token/introspect', { token });
        return asked.body.active === true ? 200 : 401;
      },
    ],
    [
      'an introspection of their key',
      async (_who, { api: token, service }) => {
        const asked = await withKey(there.app, service).post('/api/token/introspect', { token });
        return asked.body.active === true ? 200 : 401;
      },
    ],
    [
      'forward auth',
      async ({ token }, { service }) => {
        const asked = request(there.app)
          .get('/api/forward-auth')
          .set('x-gatehouse-service-key', service)
          .set('authorization', `Bearer ${token}`);
        return (await asked).status;
      },
    ],
  ];

  it.each(WAYS)('refuses %s', async (_what, open) => {
    const permissions = ['TENANT_STAFF_VIEW', 'API_KEYS_MANAGE'];
    const who = await seedTestUserAndToken({ permissions });
    const api = (await makeApiKey(app, who)).key;
    const keys = { api, service: await makeServiceKey(deps, ['introspect']) };
    await setEnd(who, '1 hour');
    expect(await open(who, keys)).toBe(200);
    await pass(who);
    expect(await open(who, keys)).toBe(401);
    expect((await rowOf(who))?.status).toBe('active');
  });

  it.each(['actor', 'subject'] as const)('ends an impersonation with its %s', async (which) => {
    const pair = await seedPair();
    const { token } = await impersonate(app, pair);
    await setEnd(pair[which], '1 hour');
    expect((await me(there.app, token)).status).toBe(200);
    await pass(pair[which]);
    expect((await me(there.app, token)).status).toBe(401);
  });

  it('answers a sign-in like a wrong password', async () => {
    const who = await seedTestUserAndToken();
    await pass(who);
    const right = await login(app, who);
    const wrong = await login(app, { ...who, password: 'not their password' });
    expect([right.status, right.body.error]).toEqual([wrong.status, wrong.body.error]);
  });

  it('leaves the other memberships of the person as they are', async () => {
    const [who, elsewhere] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    const { tenantId, tenantSlug } = elsewhere;
    await db
      .insert(tenantStaff)
      .values({ tenantId, userId: who.userId, permissions: ['TENANT_STAFF_VIEW'] });
    await pass(who);
    expect((await login(app, who)).status).toBe(200);
    expect((await login(app, { ...who, tenant: tenantSlug })).status).toBe(200);
    expect((await login(app, { ...who, tenant: who.tenantSlug })).status).toBe(401);
  });
});

describe('the answers of introspection', () => {
  it('hold no longer than the membership, for people and for programs', async () => {
    const who = await seedTestUserAndToken({
      permissions: ['TENANT_STAFF_VIEW', 'API_KEYS_MANAGE'],
    });
    const { key } = await makeApiKey(app, who);
    const service = await makeServiceKey(deps, ['introspect']);
    await setEnd(who, '30 seconds');
    for (const token of [who.token, key]) {
      const { body } = await withKey(app, service).post('/api/token/introspect', { token });
      expect(body.active).toBe(true);
      expect(body.expires_in).toBeGreaterThan(0);
      expect(body.expires_in).toBeLessThanOrEqual(30);
    }
  });
});

describe('a member whose membership has ended', () => {
  it('is removed once by many nodes at once, with all that a removal ends', async () => {
    const administrator = await seedAdministrator();
    const { tenantId } = administrator;
    const permissions = ['TENANT_STAFF_VIEW', 'API_KEYS_MANAGE', 'TENANT_STAFF_MANAGE'];
    const who = await seedTestUserAndToken({ tenantId, permissions });
    await giveFactor(who);
    await makeApiKey(app, who);
    await setEnd(who, '1 hour');
    await inviteByLink(app, who, { membershipEndsAt: inHours(0.5), roles: [] });
    await endMemberships(deps);
    await pass(who);
    const endsAt = (await rowOf(who))?.endsAt?.toISOString();
    const counts = await Promise.all(
      [here, there, here, there].map((node) => endMemberships(node.deps)),
    );
    expect(counts.reduce((sum, one) => sum + one)).toBe(1);
    expect(await rowOf(who)).toMatchObject({
      ...{ status: 'removed', permissions: [], endsAt: null },
      ...{ disabledAt: expect.any(Date), removedAt: expect.any(Date) },
    });
    expect(await liveSessionsOf(who.staffId)).toEqual([]);
    expect(await liveTokensOf(who.staffId)).toEqual([]);
    for (const action of ['STAFF_DISABLED', 'STAFF_REMOVED', 'FACTOR_REMOVED'] as const) {
      expect(await auditOf(action, tenantId)).toMatchObject([
        { actor: 'system', subject: `staff:${who.staffId}`, details: { via: 'expiry' } },
      ]);
    }
    expect((await auditOf('STAFF_REMOVED', tenantId))[0]?.details).toMatchObject({ endsAt });
    expect(await auditOf('API_KEY_REVOKED', tenantId)).toHaveLength(1);
    expect(await auditOf('INVITATION_REVOKED', tenantId)).toHaveLength(1);
    expect(await auditOf('SESSION_INVALIDATED', tenantId)).toHaveLength(1);
  });

  it('is removed by a running node, also if they were disabled', async () => {
    const [one, other] = [await seedTestUserAndToken(), await seedTestUserAndToken()];
    await db
      .update(tenantStaff)
      .set({ status: 'disabled', disabledAt: new Date() })
      .where(eq(tenantStaff.id, other.staffId));
    await Promise.all([pass(one), pass(other)]);
    deps.membershipEnds.wake();
    await deps.membershipEnds.settle();
    for (const who of [one, other]) expect((await rowOf(who))?.status).toBe('removed');
  });

  it('stays if their time was extended before the removal took its lock', async () => {
    const administrator = await seedAdministrator();
    const who = await seedTestUserAndToken({ tenantId: administrator.tenantId });
    await pass(who);
    const removal = await db.transaction(async (tx) => {
      await tx.execute(sql`SELECT FROM tenants WHERE id = ${who.tenantId} FOR NO KEY UPDATE`);
      const waiting = endMemberships(there.deps);
      await pollUntil(
        'the removal waits',
        () => db.execute(sql.raw(WAITS_FOR_LOCK)),
        ({ rows }) => rows.length > 0,
      );
      await tx
        .update(tenantStaff)
        .set({ endsAt: new Date(Date.now() + HOUR_MS) })
        .where(eq(tenantStaff.id, who.staffId));
      return { waiting };
    });
    expect(await removal.waiting).toBe(0);
    expect((await me(app, who.token)).status).toBe(200);
  });

  it('can be invited again, without an end', async () => {
    const administrator = await seedAdministrator();
    const { tenantId } = administrator;
    const person = await seedTestUserAndToken();
    const former = { tenantId, userId: person.userId };
    const [member] = await db
      .insert(tenantStaff)
      .values(former)
      .returning({ staffId: tenantStaff.id });
    const who = member as { staffId: string };
    await pass(who);
    await endMemberships(deps);
    expect((await rowOf(who))?.status).toBe('removed');
    const { token } = await inviteByLink(app, administrator, { email: person.email, roles: [] });
    expect((await accept(app, token, {}, person.token)).status).toBe(200);
    expect(await rowOf(who)).toMatchObject({ status: 'active', endsAt: null });
  });
});

describe('the end of a membership', () => {
  it('is changed and taken away by who manages members, with before and after in the event', async () => {
    const administrator = await seedAdministrator();
    const who = await seedTestUserAndToken({ tenantId: administrator.tenantId });
    const [first, second] = [inHours(1), inHours(2)];
    const why = { reason: 'The contract ends', ticket: 'HR-9' };
    expect((await end(administrator, who, first, why)).body).toEqual({
      staffId: who.staffId,
      endsAt: first,
    });
    for (const endsAt of [second, second, null]) {
      expect((await end(administrator, who, endsAt)).status).toBe(200);
    }
    const events = await auditOf('STAFF_END_CHANGED', administrator.tenantId);
    expect(events.map(({ details }) => details)).toMatchObject([
      { before: null, after: first, requestedBy: administrator.staffId, ...why },
      { before: first, after: second },
      { before: second, after: null },
    ]);
  });

  it('is refused for a former member, and for one whose membership has ended', async () => {
    const administrator = await seedAdministrator();
    const who = await seedTestUserAndToken({ tenantId: administrator.tenantId });
    await pass(who);
    expect((await end(administrator, who, inHours(1))).status).toBe(404);
    await endMemberships(deps);
    expect((await end(administrator, who, inHours(1))).status).toBe(404);
  });

  it('of their own is changed by nobody, nor that of somebody with more permissions', async () => {
    const administrator = await seedAdministrator();
    const { tenantId } = administrator;
    const lesser = await seedTestUserAndToken({ tenantId, permissions: ['TENANT_STAFF_MANAGE'] });
    expect(refusalOf(await end(administrator, administrator, null))).toEqual([
      409,
      'OWN_MEMBERSHIP',
    ]);
    expect(refusalOf(await end(lesser, administrator, inHours(1)))).toEqual([
      403,
      'NOT_YOURS_TO_MANAGE',
    ]);
  });

  it('bounds what its member can give: an invitation or an extension is no longer than their own time', async () => {
    const administrator = await seedAdministrator();
    const { tenantId } = administrator;
    const guest = await seedTestUserAndToken({ tenantId, permissions: ['TENANT_STAFF_MANAGE'] });
    const colleague = await seedTestUserAndToken({ tenantId });
    const own = inHours(2);
    await end(administrator, guest, own);
    await end(administrator, colleague, inHours(1));
    const invite = (membershipEndsAt: string | null) =>
      as(app, guest).post(INVITATIONS, {
        ...{ email: newAddress(), roles: [], delivery: 'link', membershipEndsAt },
      });
    for (const late of [null, inHours(3)]) {
      expect(refusalOf(await invite(late))).toEqual([403, 'NOT_YOURS_TO_GIVE']);
      expect(refusalOf(await end(guest, colleague, late))).toEqual([403, 'NOT_YOURS_TO_GIVE']);
    }
    expect((await invite(own)).status).toBe(201);
    expect((await end(guest, colleague, own)).status).toBe(200);
    // A shorter time of the guest's own takes back what lasts longer.
    const { token } = await inviteByLink(app, guest, { membershipEndsAt: own, roles: [] });
    await end(administrator, guest, inHours(1));
    const stranger = await seedTestUserAndToken();
    await db.execute(sql`UPDATE invitations SET email = ${stranger.email}
      WHERE tenant_id = ${tenantId} AND accepted_at IS NULL
      AND id = (SELECT id FROM invitations WHERE tenant_id = ${tenantId} ORDER BY id DESC LIMIT 1)`);
    expect(refusalOf(await accept(app, token, {}, stranger.token))).toEqual([
      409,
      'INVITATION_NO_LONGER_VALID',
    ]);
  });

  it('keeps a tenant from depending on a guest: the last administrator without an end stays so', async () => {
    const administrator = await seedAdministrator();
    const { tenantId } = administrator;
    const guest = await seedAdministrator({ tenantId });
    expect((await end(administrator, guest, inHours(1))).status).toBe(200);
    const endsAt = new Date(Date.now() + HOUR_MS);
    await expect(
      changeMembershipEnd(deps, operatorContext, administrator, endsAt, operator),
    ).rejects.toMatchObject({ code: 'LAST_ADMINISTRATOR' });
    const path = `/api/tenants/staff/${administrator.staffId}`;
    expect(refusalOf(await as(app, guest).del(path))).toEqual([409, 'LAST_ADMINISTRATOR']);
  });

  it('is not put off by one administrator alone if the tenant asks for approvals', async () => {
    const administrator = await seedAdministrator();
    const { tenantId } = administrator;
    await seedAdministrator({ tenantId });
    const guest = await seedTestUserAndToken({ tenantId, permissions: ['SETTINGS_SECURITY_EDIT'] });
    await end(administrator, guest, inHours(2));
    await demandApprovals(app, administrator);
    for (const later of [inHours(3), null]) {
      expect(refusalOf(await end(administrator, guest, later))).toEqual([403, 'FORBIDDEN']);
    }
    expect((await end(administrator, guest, inHours(1))).status).toBe(200);
  });
});
