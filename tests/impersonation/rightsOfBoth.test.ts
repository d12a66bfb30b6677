import { eq, sql } from 'drizzle-orm';
import { db } from '@/server/db';
import { impersonationPolicies, invitations, tenantStaff } from '@/server/db/schema';
import { auditOf, setStaffStatus } from '@/tests/helpers/database/authRows';
import { WAITS_FOR_LOCK, withConnection } from '@/tests/helpers/database/askDatabase';
import { me, refresh } from '@/tests/helpers/http/authCalls';
import {
  change,
  readToken,
  serverKey,
  signWith,
  strangersKey,
} from '@/tests/helpers/http/forgeAccessToken';
import {
  IMPERSONATION,
  impersonate,
  seedPair,
  setRules,
} from '@/tests/helpers/people/impersonators';
import type { Pair } from '@/tests/helpers/people/impersonators';
import { inviteByLink } from '@/tests/helpers/people/invitationCalls';
import { as } from '@/tests/helpers/people/officer';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { openNode } from '@/tests/helpers/server/openNode';
import { pollUntil } from '@/tests/helpers/time/pollUntil';

const { app } = openNode();
const other = openNode();
const STAFF = '/api/tenants/staff';

const setPermissions = (staffId: string, permissions: string[]) =>
  db.update(tenantStaff).set({ permissions }).where(eq(tenantStaff.id, staffId));

describe('the rights of an impersonation', () => {
  it('shrink with the next request when a permission is taken from the actor, and the event names both', async () => {
    const { actor, subject } = await seedPair();
    const { id, token } = await impersonate(app, { actor, subject });
    expect((await as(app, { token }).get(STAFF)).status).toBe(200);
    await setPermissions(actor.staffId, ['IMPERSONATE']);
    const refused = await as(app, { token }).get(STAFF);
    expect([refused.status, refused.body.error]).toEqual([403, 'FORBIDDEN']);
    expect(await auditOf('PERMISSION_DENIED', actor.tenantId)).toMatchObject([
      {
        ...{ actor: actor.staffId, onBehalfOf: subject.staffId, sessionId: actor.sessionId },
        details: { permission: 'TENANT_STAFF_VIEW', impersonationId: id },
      },
    ]);
  });

  it('do not grow when the subject is raised', async () => {
    const pair = await seedPair(['TENANT_STAFF_VIEW']);
    const { token } = await impersonate(app, pair);
    await setPermissions(pair.subject.staffId, ['TENANT_STAFF_VIEW', 'SETTINGS_SECURITY_VIEW']);
    expect((await me(app, token)).body.permissions).toEqual(['TENANT_STAFF_VIEW']);
    expect((await as(app, { token }).get('/api/security/risk-decisions')).status).toBe(403);
  });

  it('do not hold what the subject lacks, and the refusal is recorded beside one of the subject', async () => {
    const pair = await seedPair(['TENANT_STAFF_VIEW'], []);
    const { token } = await impersonate(app, pair);
    expect((await as(app, pair.subject).get(STAFF)).status).toBe(403);
    expect((await as(app, { token }).get(STAFF)).status).toBe(403);
    const { staffId, tenantId } = pair.subject;
    expect(await auditOf('PERMISSION_DENIED', tenantId)).toMatchObject([
      { actor: staffId, onBehalfOf: null },
      { actor: pair.actor.staffId, onBehalfOf: staffId },
    ]);
    expect((await as(app, pair.actor).get(STAFF)).status).toBe(200);
  });

  it('read with GET and HEAD alone in read_only, and change what is marked in full', async () => {
    const rights = ['TENANT_STAFF_VIEW', 'TENANT_STAFF_MANAGE'];
    const pair = await seedPair(rights, rights);
    const { tenantId } = pair.actor;
    const invited = await inviteByLink(app, await seedAdministrator({ tenantId }));
    const path = `/api/tenants/invitations/${invited.id}`;
    const reading = await impersonate(app, pair);
    expect((await as(app, reading).get(path)).status).toBe(200);
    expect((await as(app, reading).head(path)).status).toBe(200);
    const refused = await as(app, reading).del(path);
    expect([refused.status, refused.body.error]).toEqual([403, 'IMPERSONATION_REFUSED']);
    await as(app, reading).post('/api/security/impersonation/stop', {}).expect(200);
    await setRules(app, tenantId, { mode: 'full' });
    const acting = await impersonate(app, pair, { scope: 'full' });
    expect((await as(app, acting).del(path)).status).toBe(204);
    expect(await auditOf('INVITATION_REVOKED', tenantId)).toMatchObject([
      { actor: pair.actor.staffId, onBehalfOf: pair.subject.staffId },
    ]);
  });

  it.each([
    ['an actor who is disabled', 401, (actor: string) => setStaffStatus(actor, 'disabled')],
    [
      'a subject who loses the permission',
      403,
      (_actor: string, subject: string) => setPermissions(subject, []),
    ],
    [
      'an actor who may no longer impersonate',
      401,
      (actor: string) => setPermissions(actor, ['TENANT_STAFF_VIEW', 'TENANT_STAFF_MANAGE']),
    ],
    [
      'an actor who stops on another node',
      401,
      (_actor: string, _subject: string, { actor }: Pair) =>
        as(other.app, actor).post(`${IMPERSONATION}/stop`, {}).expect(200),
    ],
    [
      'a subject who signs out everywhere on another node',
      401,
      (_actor: string, _subject: string, { subject }: Pair) =>
        as(other.app, subject).post('/api/auth/logout-all', {}).expect(204),
    ],
    [
      'a policy that allows none',
      401,
      (_actor: string, _subject: string, { actor: { tenantId } }: Pair) =>
        db
          .update(impersonationPolicies)
          .set({ mode: 'off' })
          .where(eq(impersonationPolicies.tenantId, tenantId)),
    ],
  ])('are read again in the middle of a request: %s meanwhile', async (_name, refused, act) => {
    const rights = ['TENANT_STAFF_VIEW', 'TENANT_STAFF_MANAGE'];
    const pair = await seedPair(rights, rights);
    const { tenantId, staffId } = pair.actor;
    await setRules(app, tenantId, { mode: 'full' });
    const invited = await inviteByLink(app, await seedAdministrator({ tenantId }));
    const { token } = await impersonate(app, pair, { scope: 'full' });
    const status = await withConnection(process.env['DATABASE_URL'] ?? '', async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT 1 FROM tenants WHERE id = $1 FOR UPDATE', [tenantId]);
      const answer = as(app, { token })
        .del(`/api/tenants/invitations/${invited.id}`)
        .then((res) => res.status);
      await pollUntil(
        'the request waits for the tenant',
        () => db.execute(sql.raw(WAITS_FOR_LOCK)),
        ({ rows }) => rows.length > 0,
      );
      await act(staffId, pair.subject.staffId, pair);
      await client.query('COMMIT');
      return answer;
    });
    expect(status).toBe(refused);
    const [row] = await db.select().from(invitations).where(eq(invitations.id, invited.id));
    expect(row?.revokedAt).toBeNull();
  });
});

describe('the token of an impersonation', () => {
  it('is no refresh token', async () => {
    const { token } = await impersonate(app, await seedPair());
    expect((await refresh(app, token)).status).toBe(401);
  });

  it('cannot be made of another token, nor another one of it, even with the key of the server', async () => {
    const pair = await seedPair();
    const { token } = await impersonate(app, pair);
    const act = readToken(token).claims['act'] as Record<string, string>;
    const own = readToken(pair.subject.token);
    const impersonated = readToken(token);
    const withAct = change(own, { claims: { act } });
    const [header, , signature] = pair.subject.token.split('.');
    const claims = Buffer.from(JSON.stringify(withAct.claims)).toString('base64url');
    const forgeries = [
      `${header ?? ''}.${claims}.${signature ?? ''}`,
      signWith(strangersKey(), withAct),
      signWith(serverKey(), withAct),
      signWith(serverKey(), change(impersonated, { claims: { act: undefined } })),
      signWith(serverKey(), change(impersonated, { claims: { act: { sub: act['sub'] } } })),
      ...['sub', 'staff_id', 'sid'].map((name) =>
        signWith(
          serverKey(),
          change(impersonated, { claims: { act: { ...act, [name]: pair.subject.staffId } } }),
        ),
      ),
      signWith(serverKey(), change(impersonated, { claims: { sub: pair.actor.userId } })),
      signWith(serverKey(), change(impersonated, { claims: { sv: 2 } })),
    ];
    const statuses = await Promise.all(
      forgeries.map(async (forgery) => (await me(app, forgery)).status),
    );
    expect(statuses).toEqual(forgeries.map(() => 401));
    expect((await me(app, signWith(serverKey(), impersonated))).status).toBe(200);
  });
});
