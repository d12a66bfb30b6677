import type { Express } from 'express';
import type request from 'supertest';
import { eq } from 'drizzle-orm';
import { randomUUID } from 'node:crypto';
import { db } from '@/server/db';
import { invitations, recoveryCodes, tenantStaff } from '@/server/db/schema';
import {
  auditOf,
  liveSessionsOf,
  liveTokensOf,
  setStaffStatus,
} from '@/tests/helpers/database/authRows';
import { login, me, refresh } from '@/tests/helpers/http/authCalls';
import { accessNow, giveRoles, seedAdministrator } from '@/tests/helpers/people/administrator';
import { as } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { giveFactor } from '@/tests/helpers/stepUp/secondFactor';
import { buildApp } from '@/tests/helpers/server/testApp';

/** Two nodes of one server: an act on the first is seen by the second. */
const [here, there] = [buildApp().app, buildApp().app];

const ENDINGS: [string, (app: Express, admin: SeededAuth, who: SeededAuth) => request.Test][] = [
  ['disable', (app, admin, who) => as(app, admin).post(`${path(who)}/disable`, {})],
  ['remove', (app, admin, who) => as(app, admin).del(path(who))],
  ['force-logout', (app, admin, who) => as(app, admin).post(`${path(who)}/force-logout`, {})],
  [
    'reset-factors',
    (app, admin, who) => as(app, admin).post(`${path(who)}/reset-factors`, { reason: 'Lost' }),
  ],
  [
    'end of their session',
    (app, admin, who) => as(app, admin).del(`${path(who)}/sessions/${who.sessionId}`),
  ],
  [
    'force-logout of all',
    (app, admin) => as(app, admin).post('/api/tenants/staff/force-logout', {}),
  ],
];
function path({ staffId }: SeededAuth): string {
  return `/api/tenants/staff/${staffId}`;
}

const join = ({ tenantId }: SeededAuth, permissions: string[] = []) =>
  seedTestUserAndToken({ tenantId, permissions });

describe('the next request of a member on another node is refused', () => {
  it.each(ENDINGS)('after %s, and so is their refresh', async (_name, end) => {
    const admin = await seedAdministrator();
    const member = await join(admin);
    expect((await me(there, member.token)).status).toBe(200);
    expect([200, 204]).toContain((await end(here, admin, member)).status);
    expect((await me(there, member.token)).status).toBe(401);
    expect((await refresh(there, member.refreshToken)).status).toBe(401);
    expect(await liveSessionsOf(member.staffId)).toEqual([]);
    expect(await liveTokensOf(member.staffId)).toEqual([]);
    expect((await me(there, admin.token)).status).toBe(200);
    const ended = await auditOf('SESSION_INVALIDATED', admin.tenantId);
    expect(ended).toHaveLength(1);
    expect(ended[0]).toMatchObject({ actor: admin.staffId });
  });
});

describe('a disabled member', () => {
  it('cannot sign in until enabled, and both events say who asked and why', async () => {
    const admin = await seedAdministrator();
    const member = await join(admin, ['TENANT_STAFF_VIEW']);
    const why = { ticket: 'HR-8', reason: 'On leave' };
    expect((await as(here, admin).post(`${path(member)}/disable`, why)).status).toBe(204);
    expect((await login(there, member)).status).toBe(401);
    expect((await as(here, admin).post(`${path(member)}/disable`, {})).status).toBe(204);
    expect((await as(here, admin).post(`${path(member)}/enable`, why)).status).toBe(204);
    expect((await as(here, admin).post(`${path(member)}/enable`, {})).status).toBe(204);
    expect((await login(there, member)).status).toBe(200);
    expect(await accessNow(member)).toMatchObject({ permissions: ['TENANT_STAFF_VIEW'] });
    for (const action of ['STAFF_DISABLED', 'STAFF_ENABLED']) {
      const events = await auditOf(action, admin.tenantId);
      expect(events).toMatchObject([
        {
          actor: admin.staffId,
          subject: `staff:${member.staffId}`,
          details: { ...why, via: 'api', requestedBy: admin.staffId },
        },
      ]);
      expect(events[0]?.details).toHaveProperty('secondsToEffect');
    }
  });
});

describe('a removed member', () => {
  it('has no access, roles, permissions, factors or open invitations, and other tenants keep theirs', async () => {
    const admin = await seedAdministrator();
    const member = await join(admin);
    await giveRoles(member, 'auditor');
    await giveFactor(member);
    const { tenantId, userId, staffId } = member;
    await db.insert(recoveryCodes).values({ tenantId, userId, staffId, codeHash: 'x' });
    const invitation = {
      tenantId,
      delivery: 'mail' as const,
      expiresAt: new Date(Date.now() + 3_600_000),
    };
    const inviter = { inviterStaffId: staffId, inviterUserId: userId };
    const [sent, kept] = await db
      .insert(invitations)
      .values([
        { ...invitation, ...inviter, linkId: randomUUID(), email: 'sent@example.com' },
        { ...invitation, linkId: randomUUID(), email: 'kept@example.com' },
        { ...invitation, linkId: randomUUID(), email: member.email },
      ])
      .returning({ id: invitations.id });

    expect((await as(here, admin).del(path(member)).send({ reason: 'Left' })).status).toBe(204);

    const [row] = await db.select().from(tenantStaff).where(eq(tenantStaff.id, staffId));
    expect(row).toMatchObject({ status: 'removed', roles: [], permissions: [] });
    expect(row?.removedAt).toBeInstanceOf(Date);
    const shown = await as(here, admin).get(path(member));
    expect(shown.body).toMatchObject({
      status: 'removed',
      factors: { totp: 0, passkeys: 0, recoveryCodes: 0 },
    });
    const open = await db.select().from(invitations).where(eq(invitations.tenantId, tenantId));
    expect(open.filter(({ revokedAt }) => revokedAt === null).map(({ id }) => id)).toEqual([
      kept?.id,
    ]);
    expect(sent).toBeDefined();
    expect((await login(there, member)).status).toBe(401);
    expect(await auditOf('STAFF_REMOVED', tenantId)).toMatchObject([
      { actor: admin.staffId, details: { via: 'api', reason: 'Left', requestedBy: admin.staffId } },
    ]);
    const factors = await auditOf('FACTOR_REMOVED', tenantId);
    expect(factors.map(({ details }) => (details as { factor: string }).factor).sort()).toEqual([
      'recovery_code',
      'totp',
    ]);
    expect(await auditOf('STAFF_DISABLED', tenantId)).toHaveLength(1);
    expect(await auditOf('INVITATION_REVOKED', tenantId)).toHaveLength(2);
  });

  it('who was disabled before is removed too', async () => {
    const admin = await seedAdministrator();
    const member = await join(admin);
    await setStaffStatus(member.staffId, 'disabled');
    expect((await as(here, admin).del(path(member))).status).toBe(204);
    expect((await as(here, admin).get(path(member))).body.status).toBe('removed');
  });
});
