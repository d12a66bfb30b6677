import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { refreshTokens, tenantStaff, userSessions } from '@/server/db/schema';
import { changeAccess, disableStaff, enableStaff } from '@/server/tenants';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { downloadEvidence } from '@/tests/helpers/evidence/evidenceBundle';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { at } from '@/tests/helpers/evidence/pastStaff';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const FEBRUARY = { from: '2025-02-01', to: '2025-02-28', format: 'csv' };
const MARCH = { from: '2025-03-01', to: '2025-03-31', format: 'csv' };
const APRIL = { from: '2025-04-01', to: '2025-04-30', format: 'csv' };

const instant = (text: string) => at(text).toISOString();

/**
 * Creates a person whose row is from January and who has these permissions now. If the first
 * permissions are given, they are recorded.
 */
async function seedMember(tenantId: string, now: string[], began?: string[]): Promise<SeededAuth> {
  const who = await seedTestUserAndToken({ tenantId, permissions: now });
  const createdAt = at('01-10T08:00:00');
  await db.update(tenantStaff).set({ createdAt }).where(eq(tenantStaff.id, who.staffId));
  if (began) {
    const occurredAt = at('01-10T08:00:00.005');
    const details = { permissions: began, via: 'operator' as const };
    const subject = `staff:${who.staffId}`;
    await writeEvents(tenantId, [{ action: 'STAFF_CREATED', subject, occurredAt, details }]);
  }
  return who;
}

const changed = (
  { tenantId, staffId }: SeededAuth,
  when: string,
  before: string[],
  after: string[],
) =>
  writeEvents(tenantId, [
    {
      action: 'STAFF_PERMISSIONS_CHANGED',
      subject: `staff:${staffId}`,
      occurredAt: at(when),
      details: { before, after, via: 'api' },
    },
  ]);

const setBySql = ({ staffId }: SeededAuth, permissions: string[]) =>
  db.update(tenantStaff).set({ permissions }).where(eq(tenantStaff.id, staffId));

const changesIn = async (officer: SeededAuth, range: object) =>
  (await downloadEvidence(app, officer, range)).table('permission-changes.csv');

/** Returns the unrecorded changes of one person. */
const unrecordedOf = (rows: Record<string, string>[], { staffId }: SeededAuth) =>
  rows
    .filter((row) => row['staff_id'] === staffId && row['change'] === 'unrecorded')
    .map(({ before, after, added, removed, not_before, not_after, ...row }) => {
      expect(row).toMatchObject({ leaf_index: '', actor: '', occurred_at: '' });
      return { before, after, added, removed, not_before, not_after };
    });

describe('permission-changes.csv', () => {
  let officer: SeededAuth;
  beforeAll(async () => {
    officer = await seedOfficer();
  });

  it('shows a permission that was given by SQL, until an event closes the gap', async () => {
    const who = await seedMember(officer.tenantId, ['A_A'], ['A_A']);
    await changed(who, '02-10T00:00:00', ['A_A'], ['A_A', 'B_B']);
    await setBySql(who, ['B_B', 'A_A']);
    for (const range of [FEBRUARY, MARCH]) {
      expect(unrecordedOf(await changesIn(officer, range), who)).toEqual([]);
    }
    await setBySql(who, ['B_B', 'C_C']);
    const open = {
      before: '["A_A","B_B"]',
      after: '["B_B","C_C"]',
      added: '["C_C"]',
      removed: '["A_A"]',
      not_before: instant('02-10T00:00:00'),
      not_after: '',
    };
    expect(unrecordedOf(await changesIn(officer, MARCH), who)).toEqual([open]);
    // The next recorded change, in April, begins with a state that nothing recorded.
    await changed(who, '04-10T00:00:00', ['B_B', 'C_C'], ['D_D']);
    await setBySql(who, ['D_D']);
    expect(unrecordedOf(await changesIn(officer, MARCH), who)).toEqual([open]);
    expect(unrecordedOf(await changesIn(officer, APRIL), who)).toEqual([
      { ...open, not_after: instant('04-10T00:00:00') },
    ]);
    const may = { from: '2025-05-01', to: '2025-05-31', format: 'csv' };
    expect(unrecordedOf(await changesIn(officer, may), who)).toEqual([]);
  });

  it('shows a change by SQL and back between two recorded ones, if either saw it, with both as its bounds', async () => {
    const who = await seedMember(officer.tenantId, ['A_A'], ['A_A']);
    await changed(who, '03-10T00:00:00', ['A_A', 'B_B'], ['A_A']);
    await changed(who, '03-20T00:00:00', ['A_A'], ['A_A', 'C_C']);
    await setBySql(who, ['A_A', 'C_C']);
    expect(unrecordedOf(await changesIn(officer, MARCH), who)).toEqual([
      {
        before: '["A_A"]',
        after: '["A_A","B_B"]',
        added: '["B_B"]',
        removed: '[]',
        not_before: instant('01-10T08:00:00.005'),
        not_after: instant('03-10T00:00:00'),
      },
    ]);
  });

  it('shows what somebody began with whom SQL made a member', async () => {
    const who = await seedMember(officer.tenantId, ['A_A']);
    expect(unrecordedOf(await changesIn(officer, MARCH), who)).toEqual([
      {
        ...{ before: '[]', after: '["A_A"]', added: '["A_A"]', removed: '[]' },
        ...{ not_before: instant('01-10T08:00:00'), not_after: '' },
      },
    ]);
  });

  it('explains what access-review shows: recorded and unrecorded changes lead to it', async () => {
    const { tenantId } = officer;
    const who = await seedMember(tenantId, ['X_X'], ['A_A']);
    await changed(who, '03-10T00:00:00', ['A_A', 'B_B'], ['C_C']);
    const evidence = await downloadEvidence(app, officer, MARCH);
    const mine = (file: string) =>
      evidence.table(file).filter((row) => row['staff_id'] === who.staffId);
    const changes = mine('permission-changes.csv');
    expect(changes.map(({ change, before, after }) => [change, before, after])).toEqual([
      ['unrecorded', '["A_A"]', '["A_A","B_B"]'],
      ['recorded', '["A_A","B_B"]', '["C_C"]'],
      ['unrecorded', '["C_C"]', '["X_X"]'],
    ]);
    expect(mine('access-review.csv')[0]?.['permissions']).toBe(changes.at(-1)?.['after']);
  });

  it('of a closed range says the same for ever, whatever is changed and recorded after it', async () => {
    const { tenantId } = officer;
    const honest = await seedMember(tenantId, ['A_A'], ['A_A']);
    const given = await seedMember(tenantId, ['A_A', 'B_B'], ['A_A']);
    const before = await changesIn(officer, MARCH);
    expect(unrecordedOf(before, honest)).toEqual([]);
    expect(unrecordedOf(before, given)).toHaveLength(1);
    for (const who of [honest, given]) {
      await changeAccess(
        deps,
        operatorContext,
        who,
        { permissions: { add: ['SETTINGS_SECURITY_VIEW'], remove: [] } },
        { via: 'operator' },
      );
    }
    expect(await changesIn(officer, MARCH)).toEqual(before);
    const today = new Date().toISOString().slice(0, 10);
    const now = await changesIn(officer, { from: today, to: today, format: 'csv' });
    expect(unrecordedOf(now, honest)).toEqual([]);
    expect(unrecordedOf(now, given)).toEqual([
      expect.objectContaining({ added: '["B_B"]', not_after: expect.stringContaining(today) }),
    ]);
  });
});

describe('joiners-leavers.csv', () => {
  let officer: SeededAuth;
  beforeAll(async () => {
    officer = await seedOfficer();
  });

  const record = (
    { tenantId, staffId }: SeededAuth,
    action: 'STAFF_DISABLED' | 'STAFF_ENABLED',
    when: string,
    details: object = {},
  ) =>
    writeEvents(tenantId, [
      {
        ...{ action, subject: `staff:${staffId}`, occurredAt: at(when) },
        details: { ...details, via: 'operator' },
      },
    ]);

  const setStatus = (
    { staffId }: SeededAuth,
    status: 'active' | 'disabled',
    disabledAt: Date | null = null,
  ) => db.update(tenantStaff).set({ status, disabledAt }).where(eq(tenantStaff.id, staffId));

  /** Returns the unrecorded changes of one person. */
  async function unrecordedIn(range: object, { staffId }: SeededAuth) {
    const evidence = await downloadEvidence(app, officer, range);
    return evidence
      .table('joiners-leavers.csv')
      .filter((row) => row['staff_id'] === staffId && row['record'] === 'unrecorded')
      .map(({ change, occurred_at, not_before, not_after, ...row }) => {
        expect(row).toMatchObject({ leaf_index: '', actor: '' });
        const { last_access_revoked_at, sessions_ended, minutes_to_revocation } = row;
        // Without a time, nothing is stated about the access that ended then.
        const access = [last_access_revoked_at, sessions_ended, minutes_to_revocation];
        if (occurred_at === '') expect(access).toEqual(['', '', '']);
        return [change, occurred_at, not_before, not_after];
      });
  }

  const JOINED = ['A_A'];
  const MAY = { from: '2025-05-01', to: '2025-05-31', format: 'csv' };

  it('shows access that was given back by SQL, until an event closes the gap', async () => {
    const who = await seedMember(officer.tenantId, JOINED, JOINED);
    await record(who, 'STAFF_DISABLED', '02-10T00:00:00');
    await setStatus(who, 'disabled', at('02-10T00:00:00.003'));
    expect(await unrecordedIn(MARCH, who)).toEqual([]);
    await setStatus(who, 'active');
    const open = ['returned', '', instant('02-10T00:00:00'), ''];
    expect(await unrecordedIn(MARCH, who)).toEqual([open]);
    await record(who, 'STAFF_DISABLED', '04-10T00:00:00');
    await setStatus(who, 'disabled', at('04-10T00:00:00.003'));
    expect(await unrecordedIn(MARCH, who)).toEqual([open]);
    expect(await unrecordedIn(APRIL, who)).toEqual([
      [...open.slice(0, 3), instant('04-10T00:00:00')],
    ]);
    expect(await unrecordedIn(MAY, who)).toEqual([]);
  });

  it('shows access that SQL took and gave back, if SQL left the time in the row', async () => {
    const who = await seedMember(officer.tenantId, JOINED, JOINED);
    await setStatus(who, 'active', at('03-10T00:00:00'));
    const returned = ['returned', '', instant('03-10T00:00:00'), ''];
    expect(await unrecordedIn(FEBRUARY, who)).toEqual([]);
    expect(await unrecordedIn(MARCH, who)).toEqual([
      ['left', instant('03-10T00:00:00'), '', ''],
      returned,
    ]);
    expect(await unrecordedIn(APRIL, who)).toEqual([returned]);
  });

  it('shows access that was taken by SQL without a time, until somebody gives it back', async () => {
    const who = await seedMember(officer.tenantId, JOINED, JOINED);
    await setStatus(who, 'disabled');
    const open = ['left', '', instant('01-10T08:00:00.005'), ''];
    expect(await unrecordedIn(MARCH, who)).toEqual([open]);
    await record(who, 'STAFF_ENABLED', '04-10T00:00:00', { disabledAt: null });
    await setStatus(who, 'active');
    expect(await unrecordedIn(APRIL, who)).toEqual([
      [...open.slice(0, 3), instant('04-10T00:00:00')],
    ]);
    expect(await unrecordedIn(MAY, who)).toEqual([]);
  });

  it('shows a member whom SQL deleted, from the range of the last event on', async () => {
    const who = await seedMember(officer.tenantId, JOINED, JOINED);
    await changed(who, '03-10T00:00:00', JOINED, ['B_B']);
    for (const table of [refreshTokens, userSessions, tenantStaff]) {
      const owner = 'staffId' in table ? table.staffId : table.id;
      await db.delete(table).where(eq(owner, who.staffId));
    }
    expect(await unrecordedIn(FEBRUARY, who)).toEqual([]);
    for (const range of [MARCH, APRIL]) {
      expect(await unrecordedIn(range, who)).toEqual([
        ['deleted', '', instant('03-10T00:00:00'), ''],
      ]);
    }
  });

  it('shows nothing of those whose every change is recorded', async () => {
    const who = await seedMember(officer.tenantId, JOINED, JOINED);
    await disableStaff(deps, operatorContext, who, { via: 'operator' });
    await enableStaff(deps, operatorContext, who, { via: 'operator' });
    await disableStaff(deps, operatorContext, who, { via: 'operator' });
    const today = new Date().toISOString().slice(0, 10);
    for (const range of [MARCH, { from: today, to: today, format: 'csv' }]) {
      expect(await unrecordedIn(range, who)).toEqual([]);
    }
  });
});
