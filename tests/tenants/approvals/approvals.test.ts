import { eq, sql } from 'drizzle-orm';
import request from 'supertest';
import { db } from '@/server/db';
import { approvalRequests, tenantStaff } from '@/server/db/schema';
import { changeAccess } from '@/server/tenants';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { auditOf } from '@/tests/helpers/database/authRows';
import { demandApprovals, seedAdministrators } from '@/tests/helpers/people/fourEyes';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const other = buildApp();

type Who = Pick<SeededAuth, 'token'>;
const APPROVALS = '/api/tenants/approvals';

const call = (who: Who, method: 'get' | 'post' | 'put', path: string, at = app) =>
  request(at)
    [method](path)
    .set('authorization', `Bearer ${who.token}`)
    .set('x-stepup-test-bypass', '1');
const decide = (who: Who, id: string, how: 'approve' | 'refuse' | 'withdraw', at = app) =>
  call(who, 'post', `${APPROVALS}/${id}/${how}`, at);
const show = async (who: Who, id: string) =>
  (await call(who, 'get', `${APPROVALS}/${id}`)).body as Record<string, unknown>;

async function permissionsOf(staffId: string): Promise<string[]> {
  const [row] = await db.select().from(tenantStaff).where(eq(tenantStaff.id, staffId));
  return [...(row?.permissions ?? [])].sort();
}

/** Gives a member exactly these roles, as an administrator. */
const give = (by: SeededAuth, to: SeededAuth, roles: string[]) =>
  call(by, 'put', `/api/tenants/staff/${to.staffId}/roles`).send({
    ...{ roles, ticket: 'HR-7', reason: 'a new task' },
  });

/** Asks for a privileged role for a member, in a tenant that needs approvals. */
async function askFor(by: SeededAuth, to: SeededAuth, roles = ['security_admin']): Promise<string> {
  const { status, body } = await give(by, to, roles);
  if (status !== 202) throw new Error(`the change was answered with ${status}`);
  return String(body.approval.id);
}

async function seedTenant(count = 3) {
  const [ann, bob, cyd] = (await seedAdministrators(count)) as [SeededAuth, SeededAuth, SeededAuth];
  const { tenantId } = ann;
  await demandApprovals(app, ann);
  const dan = await seedTestUserAndToken({ tenantId });
  return { ann, bob, cyd, dan, tenantId };
}

const GIVEN = ['SETTINGS_SECURITY_EDIT', 'SETTINGS_SECURITY_VIEW', 'TENANT_STAFF_VIEW'];

describe('a change that gives a privileged permission', () => {
  it('waits for a second administrator, and nothing of it happens before', async () => {
    const { ann, dan, tenantId } = await seedTenant();
    const id = await askFor(ann, dan);
    expect(await permissionsOf(dan.staffId)).toEqual([]);
    expect(await auditOf('STAFF_PERMISSIONS_CHANGED', tenantId)).toEqual([]);
    expect(await show(ann, id)).toMatchObject({
      ...{ id, kind: 'member', status: 'open', given: GIVEN, ticket: 'HR-7' },
      requestedBy: { staffId: ann.staffId, email: ann.email },
      subject: { staffId: dan.staffId, email: dan.email },
      decidedBy: null,
      effect: { before: { permissions: [] }, after: { roles: ['security_admin'] } },
    });
  });

  it('happens at the approval: request, approval and effect are three events', async () => {
    const { ann, bob, dan, tenantId } = await seedTenant();
    const id = await askFor(ann, dan);
    const done = await decide(bob, id, 'approve');
    expect([done.status, done.body.status]).toEqual([200, 'approved']);
    expect(await permissionsOf(dan.staffId)).toEqual(GIVEN);
    const about = `staff:${dan.staffId}`;
    expect(await auditOf('APPROVAL_REQUESTED', tenantId)).toMatchObject([
      { actor: ann.staffId, subject: `approval:${id}`, details: { about, given: GIVEN } },
    ]);
    expect(await auditOf('APPROVAL_GIVEN', tenantId)).toMatchObject([
      { actor: bob.staffId, subject: `approval:${id}`, details: { requestedBy: ann.staffId } },
    ]);
    expect(await auditOf('STAFF_PERMISSIONS_CHANGED', tenantId)).toMatchObject([
      {
        actor: bob.staffId,
        subject: about,
        details: {
          ...{ requestedBy: ann.staffId, approvedBy: bob.staffId, ticket: 'HR-7' },
          secondsToEffect: expect.any(Number),
          reason: 'a new task',
          rolesBefore: [],
          rolesAfter: ['security_admin'],
        },
      },
    ]);
  });

  it('happens once if both other administrators approve it at the same moment, on two nodes', async () => {
    const { ann, bob, cyd, dan, tenantId } = await seedTenant();
    const id = await askFor(ann, dan);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        decide(n % 2 ? bob : cyd, id, 'approve', n % 4 < 2 ? app : other.app),
      ),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([200, ...Array.from({ length: 7 }, () => 409)]);
    const refused = answers.filter(({ status }) => status === 409);
    expect(new Set(refused.map(({ body }) => body.error))).toEqual(new Set(['APPROVAL_CLOSED']));
    expect(await auditOf('APPROVAL_GIVEN', tenantId)).toHaveLength(1);
    expect(await auditOf('STAFF_PERMISSIONS_CHANGED', tenantId)).toHaveLength(1);
  });

  it('is either approved or refused if both are tried at the same moment', async () => {
    const { ann, bob, cyd, dan, tenantId } = await seedTenant();
    const id = await askFor(ann, dan);
    const [yes, no] = await Promise.all([
      decide(bob, id, 'approve'),
      decide(cyd, id, 'refuse', other.app),
    ]);
    expect([yes.status, no.status].sort()).toEqual([200, 409]);
    const given = yes.status === 200;
    expect(await permissionsOf(dan.staffId)).toEqual(given ? GIVEN : []);
    expect(await auditOf('APPROVAL_GIVEN', tenantId)).toHaveLength(given ? 1 : 0);
    expect(await auditOf('APPROVAL_REFUSED', tenantId)).toHaveLength(given ? 0 : 1);
  });

  it('needs no approval if the tenant does not ask for it, nor for an operator', async () => {
    const [ann, bob] = (await seedAdministrators(2)) as [SeededAuth, SeededAuth];
    const { tenantId } = ann;
    const dan = await seedTestUserAndToken({ tenantId });
    expect((await give(ann, dan, ['security_admin'])).status).toBe(200);
    await demandApprovals(app, bob);
    const who = { tenantId, staffId: dan.staffId };
    const byOperator = { via: 'operator' as const };
    await changeAccess(deps, operatorContext, who, { roles: ['owner'] }, byOperator);
    expect(await permissionsOf(dan.staffId)).toContain('TENANT_ROLES_MANAGE');
  });

  it('is the only kind that waits: taking permissions, and giving harmless ones, does not', async () => {
    const { ann, bob, dan } = await seedTenant();
    expect((await give(ann, dan, ['auditor'])).status).toBe(200);
    const nothing = { roles: [], permissions: [] };
    const taken = call(ann, 'put', `/api/tenants/staff/${bob.staffId}/roles`).send(nothing);
    expect((await taken).status).toBe(200);
    expect(await permissionsOf(bob.staffId)).toEqual([]);
    expect(await permissionsOf(dan.staffId)).toEqual([
      'SETTINGS_SECURITY_VIEW',
      'TENANT_STAFF_VIEW',
    ]);
  });

  it('is refused at once if nobody else could approve it', async () => {
    const { ann, bob, dan } = await seedTenant(2);
    await db
      .update(tenantStaff)
      .set({ status: 'disabled', disabledAt: new Date() })
      .where(eq(tenantStaff.id, bob.staffId));
    const res = await give(ann, dan, ['security_admin']);
    expect([res.status, res.body.error]).toEqual([409, 'NO_APPROVER']);
    expect(await permissionsOf(dan.staffId)).toEqual([]);
  });
});

describe('a request cannot be approved by', () => {
  const expectRefused = async (who: SeededAuth, id: string, code: string) => {
    const res = await decide(who, id, 'approve');
    expect([res.status, res.body.error]).toEqual([403, code]);
  };

  it('the member who asked', async () => {
    const { ann, dan } = await seedTenant();
    const id = await askFor(ann, dan);
    await expectRefused(ann, id, 'NOT_YOURS_TO_APPROVE');
    expect(await permissionsOf(dan.staffId)).toEqual([]);
  });

  it('the member who gets the permission, whatever they have become meanwhile', async () => {
    const { ann, dan } = await seedTenant();
    const id = await askFor(ann, dan, ['owner']);
    await db
      .update(tenantStaff)
      .set({ permissions: ['TENANT_ROLES_MANAGE'] })
      .where(eq(tenantStaff.id, dan.staffId));
    await expectRefused(dan, id, 'NOT_YOURS_TO_APPROVE');
  });

  it('somebody who joined or became an administrator after it was asked for', async () => {
    const { ann, dan, tenantId } = await seedTenant();
    const later = await seedTestUserAndToken({ tenantId });
    const id = await askFor(ann, dan);
    const who = { tenantId, staffId: later.staffId };
    await changeAccess(deps, operatorContext, who, { roles: ['owner'] }, { via: 'operator' });
    await expectRefused(later, id, 'NOT_YOURS_TO_APPROVE');
    await expectRefused(await seedAdministrator({ tenantId }), id, 'NOT_YOURS_TO_APPROVE');
    expect((await decide(later, id, 'refuse')).status).toBe(403);
  });

  it('somebody who does not hold what is given any more', async () => {
    const { ann, bob, dan } = await seedTenant();
    const id = await askFor(ann, dan);
    await db
      .update(tenantStaff)
      .set({ permissions: ['TENANT_STAFF_VIEW', 'TENANT_ROLES_MANAGE'] })
      .where(eq(tenantStaff.id, bob.staffId));
    await expectRefused(bob, id, 'NOT_YOURS_TO_GIVE');
    expect((await show(ann, id))['status']).toBe('open');
  });

  it('somebody without the permission to manage roles, or without a proof', async () => {
    const { ann, bob, dan, tenantId } = await seedTenant();
    const id = await askFor(ann, dan);
    const viewer = await seedTestUserAndToken({ tenantId, permissions: ['TENANT_STAFF_VIEW'] });
    await expectRefused(viewer, id, 'FORBIDDEN');
    const unproven = await request(app)
      .post(`${APPROVALS}/${id}/approve`)
      .set('authorization', `Bearer ${bob.token}`);
    expect(unproven.status).toBe(428);
    expect(await permissionsOf(dan.staffId)).toEqual([]);
  });

  it('anybody after 7 days', async () => {
    const { ann, bob, dan } = await seedTenant();
    const id = await askFor(ann, dan);
    const { createdAt, expiresAt } = await show(ann, id);
    const days = (Date.parse(String(expiresAt)) - Date.parse(String(createdAt))) / 86_400_000;
    expect(days).toBeCloseTo(7, 3);
    await db
      .update(approvalRequests)
      .set({ expiresAt: sql`clock_timestamp()` })
      .where(eq(approvalRequests.id, id));
    const res = await decide(bob, id, 'approve');
    expect([res.status, res.body.error]).toEqual([409, 'APPROVAL_CLOSED']);
    expect((await show(ann, id))['status']).toBe('ended');
    expect(await permissionsOf(dan.staffId)).toEqual([]);
  });
});

describe('a request is outdated, and ends at the approval without an effect, if', () => {
  async function expectOutdated(change: (it: Awaited<ReturnType<typeof seedTenant>>) => unknown) {
    const it = await seedTenant();
    const id = await askFor(it.ann, it.dan);
    await change(it);
    const before = await permissionsOf(it.dan.staffId);
    const res = await decide(it.bob, id, 'approve');
    expect([res.status, res.body.error]).toEqual([409, 'APPROVAL_OUTDATED']);
    expect(await permissionsOf(it.dan.staffId)).toEqual(before);
    expect(await auditOf('APPROVAL_OUTDATED', it.tenantId)).toMatchObject([
      {
        actor: it.bob.staffId,
        subject: `approval:${id}`,
        details: { requestedBy: it.ann.staffId },
      },
    ]);
    expect(await auditOf('APPROVAL_GIVEN', it.tenantId)).toEqual([]);
    const again = await decide(it.cyd, id, 'approve');
    expect([again.status, again.body.error]).toEqual([409, 'APPROVAL_CLOSED']);
  }
  const setStaff = (who: SeededAuth, set: Partial<typeof tenantStaff.$inferInsert>) =>
    db.update(tenantStaff).set(set).where(eq(tenantStaff.id, who.staffId));

  it("the member's permissions have changed in between", () =>
    expectOutdated(({ cyd, dan }) => give(cyd, dan, ['auditor'])));

  it('the member who asked does not hold the permission any more', () =>
    expectOutdated(({ ann }) => setStaff(ann, { permissions: ['TENANT_ROLES_MANAGE'] })));

  it('the member who asked may not manage roles any more', () =>
    expectOutdated(({ ann }) => setStaff(ann, { permissions: GIVEN })));

  it('the member who asked was disabled', () =>
    expectOutdated(({ ann }) => setStaff(ann, { status: 'disabled', disabledAt: new Date() })));

  it('the member has left', () =>
    expectOutdated(({ dan }) => setStaff(dan, { status: 'removed', removedAt: new Date() })));
});

describe('a request', () => {
  it('can be withdrawn by the member who asked, and by nobody else', async () => {
    const { ann, bob, dan, tenantId } = await seedTenant();
    const id = await askFor(ann, dan);
    expect((await decide(bob, id, 'withdraw')).body.error).toBe('NOT_YOURS_TO_APPROVE');
    expect((await decide(ann, id, 'withdraw')).body.status).toBe('withdrawn');
    expect((await decide(bob, id, 'approve')).body.error).toBe('APPROVAL_CLOSED');
    expect(await auditOf('APPROVAL_WITHDRAWN', tenantId)).toMatchObject([{ actor: ann.staffId }]);
    expect(await permissionsOf(dan.staffId)).toEqual([]);
  });

  it('is listed in pages, newest first, and by status', async () => {
    const { ann, bob, dan } = await seedTenant();
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.unshift(await askFor(ann, dan));
    await decide(bob, ids[0] ?? '', 'refuse').expect(200);
    const list = async (query: string) => (await call(bob, 'get', `${APPROVALS}${query}`)).body;
    const seen: string[] = [];
    let cursor: string | null = '';
    do {
      const page = await list(`?limit=2${cursor ? `&cursor=${cursor}` : ''}`);
      seen.push(...(page.approvals as { id: string }[]).map(({ id }) => id));
      cursor = page.nextCursor as string | null;
    } while (cursor);
    expect(seen).toEqual(ids);
    const open = await list('?status=open');
    expect((open.approvals as { id: string }[]).map(({ id }) => id)).toEqual(ids.slice(1));
    expect((await list('?status=refused')).approvals).toMatchObject([
      { id: ids[0], decidedBy: { staffId: bob.staffId, email: bob.email } },
    ]);
    expect((await call(bob, 'get', `${APPROVALS}?status=lost`)).status).toBe(400);
    expect((await call(dan, 'get', APPROVALS)).status).toBe(403);
  });
});
