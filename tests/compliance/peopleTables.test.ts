import { randomUUID } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { invitations, tenantRoles, tenantStaff } from '@/server/db/schema';
import { removeStaff } from '@/server/tenants';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import { at } from '@/tests/helpers/evidence/pastStaff';
import { giveRoles, makeRole } from '@/tests/helpers/people/administrator';
import { demandApprovals, seedAdministrators } from '@/tests/helpers/people/fourEyes';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const MARCH = { from: '2025-03-01', to: '2025-03-31', format: 'csv' };
const APRIL = { from: '2025-04-01', to: '2025-04-30', format: 'csv' };
const TODAY = { from: utcToday(), to: utcToday(), format: 'csv' };
const instant = (text: string) => at(text).toISOString();

const definition = (name: string, permissions: string[]) => ({
  ...{ name, description: '', permissions },
});

describe('role-definitions.csv', () => {
  let officer: SeededAuth;
  const [support, gone, bySql] = [randomUUID(), randomUUID(), randomUUID()];
  const rows = async (range: object) =>
    (await downloadEvidence(app, officer, range)).table('role-definitions.csv');
  const of = (all: Record<string, string>[], id: string) =>
    all.filter((row) => row['role_id'] === id);

  beforeAll(async () => {
    officer = await seedOfficer();
    const { tenantId } = officer;
    const event = (id: string, when: string, more: object) => ({
      ...{ subject: `role:${id}`, occurredAt: at(when), actor: 'ann', ...more },
    });
    const first = definition('Support', ['A_A', 'B_B']);
    const second = definition('Support', ['A_A']);
    const by = { requestedBy: 'ann', approvedBy: 'bob', ticket: 'HR-7', via: 'api' };
    await writeEvents(tenantId, [
      event(support, '03-05T00:00:00', {
        ...{ action: 'ROLE_CREATED', details: { after: first, ...by } },
      }),
      event(gone, '03-06T00:00:00', {
        ...{ action: 'ROLE_CREATED', details: { after: definition('Gone', []), via: 'api' } },
      }),
      event(support, '04-05T00:00:00', {
        ...{ action: 'ROLE_UPDATED', details: { before: first, after: second, holders: 0 } },
      }),
      event(gone, '04-06T00:00:00', {
        ...{ action: 'ROLE_DELETED', details: { before: definition('Gone', []), via: 'api' } },
      }),
    ] as Parameters<typeof writeEvents>[1]);
    await db.insert(tenantRoles).values([
      { id: support, tenantId, ...second, createdAt: at('03-05T00:00:00') },
      { id: bySql, tenantId, ...definition('By SQL', ['C_C']), createdAt: at('01-01T00:00:00') },
    ]);
  });

  it('has every role as it was at the end of the range, also one that was changed or deleted since', async () => {
    const march = await rows(MARCH);
    expect(of(march, support)[0]).toMatchObject({ shows: 'own', permissions: '["A_A","B_B"]' });
    expect(of(march, gone)[0]).toMatchObject({ shows: 'own', name: 'Gone' });
    const april = await rows(APRIL);
    expect(of(april, support)[0]).toMatchObject({ shows: 'own', permissions: '["A_A"]' });
    expect(of(april, gone).map(({ shows }) => shows)).toEqual(['deleted']);
    expect(march.filter(({ shows }) => shows === 'built_in').map(({ role_id }) => role_id)).toEqual(
      ['auditor', 'member', 'owner', 'security_admin'],
    );
  });

  it('has every change in the range, with who asked for it, approved it and made it', async () => {
    const changes = (await rows(MARCH)).filter(({ shows }) => shows === 'created');
    expect(changes).toMatchObject([
      {
        ...{ role_id: support, occurred_at: instant('03-05T00:00:00'), actor: 'ann' },
        ...{ requested_by: 'ann', approved_by: 'bob', ticket: 'HR-7', permissions_before: '' },
        leaf_index: expect.stringMatching(/^\d+$/),
      },
      { role_id: gone },
    ]);
    expect(of(await rows(APRIL), support)[1]).toMatchObject({
      ...{ shows: 'changed', permissions: '["A_A"]', permissions_before: '["A_A","B_B"]' },
    });
  });

  it('shows a role that was created or changed by SQL, until an event closes the gap', async () => {
    const unrecorded = { shows: 'unrecorded', leaf_index: '', actor: '', not_after: '' };
    const april = await rows(APRIL);
    expect(of(april, bySql).at(-1)).toMatchObject({ ...unrecorded, permissions: '["C_C"]' });
    expect(of(april, support).filter(({ shows }) => shows === 'unrecorded')).toEqual([]);
    await db
      .update(tenantRoles)
      .set({ permissions: ['Z_Z'] })
      .where(eq(tenantRoles.id, support));
    expect(of(await rows(APRIL), support).at(-1)).toMatchObject({
      ...unrecorded,
      ...{ permissions_before: '["A_A"]', permissions: '["Z_Z"]' },
      not_before: instant('04-05T00:00:00'),
    });
    expect(of(await rows(MARCH), support).map(({ shows }) => shows)).toEqual(['own', 'created']);
  });
});

describe('invitations.csv', () => {
  it('has each invitation that was open in the range, as it was at its end', async () => {
    const officer = await seedOfficer();
    const { tenantId, staffId, userId } = officer;
    const [sent, bySql, early] = [randomUUID(), randomUUID(), randomUUID()];
    const inviter = { inviterStaffId: staffId, inviterUserId: userId };
    const row = (id: string, created: string, expires: string) => ({
      ...{ id, tenantId, linkId: randomUUID(), email: `${id}@example.com`, roles: ['auditor'] },
      ...{ createdAt: at(created), sentAt: at(created), expiresAt: at(expires) },
      delivery: 'mail' as const,
    });
    await db.insert(invitations).values([
      {
        ...row(sent, '03-30T00:00:00', '04-20T00:00:00'),
        ...{ ...inviter, revokedAt: at('04-10T00:00:00'), ticket: 'HR-8' },
      },
      row(bySql, '03-10T00:00:00', '03-17T00:00:00'),
      row(early, '02-01T00:00:00', '02-08T00:00:00'),
    ]);
    const event = (action: string, when: string, actor: string, details: object) => ({
      ...{ action, subject: `invitation:${sent}`, occurredAt: at(when), actor, details },
    });
    await writeEvents(tenantId, [
      event('INVITATION_CREATED', '03-30T00:00:00', staffId, {
        ...{ delivery: 'link', expiresAt: instant('04-06T00:00:00') },
      }),
      event('INVITATION_RESENT', '04-05T00:00:00', staffId, {
        ...{ delivery: 'mail', expiresAt: instant('04-20T00:00:00') },
      }),
      event('INVITATION_REVOKED', '04-10T00:00:00', 'ann', { reason: 'revoked' }),
    ] as Parameters<typeof writeEvents>[1]);
    const rows = async (range: object) =>
      (await downloadEvidence(app, officer, range)).table('invitations.csv');
    const march = await rows(MARCH);
    expect(march).toMatchObject([
      { invitation_id: bySql, status: 'expired', record: 'unrecorded', inviter_id: '' },
      {
        ...{ invitation_id: sent, status: 'open', delivery: 'link', times_sent: '1' },
        ...{ inviter_id: staffId, inviter_email: officer.email, actor: staffId, ticket: 'HR-8' },
        ...{ roles: '["auditor"]', expires_at: instant('04-06T00:00:00'), revoked_at: '' },
        ...{ revoked_by: '', record: 'recorded' },
      },
    ]);
    expect(await rows(APRIL)).toMatchObject([
      {
        ...{ invitation_id: sent, status: 'revoked', delivery: 'mail', times_sent: '2' },
        ...{ revoked_at: instant('04-10T00:00:00'), revoked_by: 'ann', revoke_reason: 'revoked' },
      },
    ]);
  });
});

describe('the tables of staff', () => {
  it('tell who asked for a permission, who approved it, for what, and how long it took', async () => {
    const [ann, bob] = (await seedAdministrators(2)) as [SeededAuth, SeededAuth];
    const roleId = await makeRole(app, ann, 'Support', ['TENANT_STAFF_VIEW']);
    const dan = await seedTestUserAndToken({ tenantId: ann.tenantId });
    await giveRoles(dan, roleId);
    await demandApprovals(app, ann);
    const asked = await as(app, ann).put(`/api/tenants/roles/${roleId}`, {
      ...{ name: 'Support', permissions: ['SETTINGS_SECURITY_EDIT'] },
    });
    const id = String(asked.body.approval.id);
    expect((await as(app, bob).post(`/api/tenants/approvals/${id}/approve`, {})).status).toBe(200);
    const evidence = await downloadEvidence(app, ann, TODAY);
    const changes = evidence
      .table('permission-changes.csv')
      .filter((row) => row['staff_id'] === dan.staffId);
    expect(changes).toMatchObject([
      { roles_before: '[]', roles_after: `["${roleId}"]`, requested_by: '', approved_by: '' },
      {
        ...{ roles_before: `["${roleId}"]`, roles_after: `["${roleId}"]`, actor: bob.staffId },
        ...{ requested_by: ann.staffId, approved_by: bob.staffId },
      },
    ]);
    expect(
      evidence.table('access-review.csv').find((row) => row['staff_id'] === dan.staffId),
    ).toMatchObject({ roles: `["${roleId}"]`, name: '' });
  });

  it('show roles that were given by SQL as unrecorded, and not in a range before an event', async () => {
    const officer = await seedOfficer();
    const { tenantId } = officer;
    const dan = await seedTestUserAndToken({ tenantId });
    await db
      .update(tenantStaff)
      .set({ roles: ['auditor'] })
      .where(eq(tenantStaff.id, dan.staffId));
    const read = async () =>
      (await downloadEvidence(app, officer, TODAY))
        .table('permission-changes.csv')
        .filter((row) => row['staff_id'] === dan.staffId && row['change'] === 'unrecorded');
    expect(await read()).toMatchObject([
      { roles_before: '[]', roles_after: '["auditor"]', before: '', after: '', added: '' },
    ]);
  });

  it('have a removed member as removed, with nothing, and as before in a range before', async () => {
    const [ann, bob] = (await seedAdministrators(2)) as [SeededAuth, SeededAuth];
    const createdAt = at('01-10T08:00:00');
    await db.update(tenantStaff).set({ createdAt }).where(eq(tenantStaff.id, bob.staffId));
    const before = await downloadEvidence(app, ann, MARCH);
    await removeStaff(deps, { ...operatorContext, ticket: 'HR-9' }, bob, { via: 'operator' });
    const evidence = await downloadEvidence(app, ann, TODAY);
    const of = (file: string) =>
      evidence.table(`${file}.csv`).filter((row) => row['staff_id'] === bob.staffId);
    expect(of('access-review')).toMatchObject([
      { status: 'removed', permissions: '[]', disabled_at: expect.stringMatching(/Z$/) },
    ]);
    expect(of('joiners-leavers')).toMatchObject([
      { change: 'left', ticket: 'HR-9' },
      { change: 'removed', ticket: 'HR-9', record: 'recorded' },
    ]);
    const after = await downloadEvidence(app, ann, MARCH);
    expect(after.text('access-review.csv')).toBe(before.text('access-review.csv'));
    const event = { subject: `staff:${bob.staffId}`, actor: bob.staffId };
    await writeEvents(ann.tenantId, [
      {
        ...{ ...event, action: 'STAFF_CREATED', occurredAt: new Date() },
        details: { permissions: ['A_A'], rejoined: true, via: 'invitation' },
      },
    ] as Parameters<typeof writeEvents>[1]);
    await db
      .update(tenantStaff)
      .set({ status: 'active', disabledAt: null, removedAt: null, permissions: ['A_A'] })
      .where(eq(tenantStaff.id, bob.staffId));
    const again = await downloadEvidence(app, ann, MARCH);
    expect(again.text('access-review.csv')).toBe(before.text('access-review.csv'));
    expect(
      (await downloadEvidence(app, ann, TODAY))
        .table('access-review.csv')
        .find((row) => row['staff_id'] === bob.staffId),
    ).toMatchObject({ status: 'active', permissions: '["A_A"]' });
  });
});
