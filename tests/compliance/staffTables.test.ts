import { changeAccess, disableStaff, enableStaff } from '@/server/tenants';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { operatorContext } from '@/tests/helpers/server/openNode';
import { parseCsv } from '@/tests/helpers/evidence/parseCsv';
import { at, seedPastStaff } from '@/tests/helpers/evidence/pastStaff';
import type { Member, PastStaff } from '@/tests/helpers/evidence/pastStaff';
import { readZip } from '@/tests/helpers/evidence/readZip';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { buildApp } from '@/tests/helpers/server/testApp';

const MARCH = { from: '2025-03-01', to: '2025-03-31' };

type Row = Record<string, string>;

function rowsOf(files: Map<string, Buffer>, name: string): Row[] {
  const [header = [], ...rows] = parseCsv(String(files.get(`${name}.csv`)));
  return rows.map((cells) =>
    Object.fromEntries(header.map((of, index) => [of, cells[index]])),
  ) as Row[];
}

const { app, deps } = buildApp();

async function exportBundle(officer: SeededAuth, range: { from: string; to: string }) {
  const asked = as(app, officer).post('/api/compliance/export/bundle', {
    ...range,
    format: 'json',
  });
  const res = await asked;
  expect(res.status).toBe(200);
  return readZip(res.body as Buffer);
}

const TABLES = ['access-review', 'joiners-leavers', 'permission-changes'];
const today = () => new Date().toISOString().slice(0, 10);
const byStaff = (rows: Row[], { staffId }: Member) =>
  rows.filter((row) => row['staff_id'] === staffId);

describe('the tables of staff', () => {
  let officer: SeededAuth;
  let people: PastStaff;
  let march: Map<string, Buffer>;

  beforeAll(async () => {
    officer = await seedOfficer();
    people = await seedPastStaff(officer.tenantId);
    march = await exportBundle(officer, MARCH);
  });

  it('show the members that there were at the end of the range, as they were then', () => {
    const rows = rowsOf(march, 'access-review');
    expect(rows.map((row) => row['staff_id'])).toStrictEqual(
      [people.ann, people.eve, people.bob, people.carl].map(({ staffId }) => staffId),
    );
    const none = { factors: '[]', disabled_at: '', last_sign_in_at: '' };
    expect(rows).toMatchObject([
      {
        ...none,
        status: 'disabled',
        permissions: '["A_A","B_B"]',
        disabled_at: '2025-03-10T12:00:00.000Z',
        last_sign_in_at: '2025-03-09T12:00:00.000Z',
      },
      { status: 'disabled', disabled_at: '2025-03-12T00:00:00.000Z' },
      {
        status: 'active',
        account_status: 'active',
        permissions: '["Y_Y","Z_Z"]',
        factors: '["passkey","passkey","totp","recovery_code"]',
        disabled_at: '',
        last_sign_in_at: '2025-03-20T10:00:00.000Z',
      },
      { ...none, status: 'disabled', disabled_at: '2025-03-20T00:00:00.000Z' },
    ]);
  });

  it('tell who came and went, by whom, and how long their access outlived them', () => {
    const rows = rowsOf(march, 'joiners-leavers');
    const leaf = expect.stringMatching(/^\d+$/);
    const none = {
      permissions: '',
      last_access_revoked_at: '',
      sessions_ended: '',
      minutes_to_revocation: '',
      not_before: '',
      not_after: '',
      ...{ requested_by: '', approved_by: '', ticket: '', seconds_to_effect: '' },
    };
    const recorded = { leaf_index: leaf, actor: 'system', record: 'recorded' };
    const unrecorded = { leaf_index: '', actor: '', record: 'unrecorded' };
    const time = (text: string) => at(text).toISOString();
    const of = ({ staffId }: Member) => ({
      staff_id: staffId,
      email: expect.stringContaining(staffId),
    });
    expect(rows).toStrictEqual([
      {
        ...none,
        change: 'joined',
        occurred_at: time('03-01T00:00:00'),
        ...of(people.eve),
        ...unrecorded,
        permissions: '[]',
      },
      {
        ...none,
        change: 'joined',
        occurred_at: time('03-03T08:00:00.002'),
        ...of(people.bob),
        ...recorded,
        permissions: '["X_X","Y_Y"]',
      },
      {
        ...none,
        ...{ change: 'left', occurred_at: time('03-10T12:00:00'), ...of(people.ann), ...recorded },
        last_access_revoked_at: time('03-10T12:09:30'),
        sessions_ended: '1',
        minutes_to_revocation: '9.50',
      },
      {
        ...none,
        change: 'left',
        occurred_at: time('03-12T00:00:00'),
        ...of(people.eve),
        ...recorded,
        sessions_ended: '0',
      },
      {
        ...none,
        change: 'joined',
        occurred_at: time('03-15T00:00:00'),
        ...of(people.carl),
        ...unrecorded,
        permissions: '[]',
      },
      {
        ...none,
        ...{
          change: 'left',
          occurred_at: time('03-20T00:00:00'),
          ...of(people.carl),
          ...unrecorded,
        },
        sessions_ended: '0',
        minutes_to_revocation: '0.00',
      },
    ]);
  });

  it('tell what changed of what somebody may do', () => {
    const who = {
      staff_id: people.bob.staffId,
      actor: 'system',
      leaf_index: expect.stringMatching(/^\d+$/),
    };
    expect(rowsOf(march, 'permission-changes')).toMatchObject([
      { ...who, before: '[]', after: '["X_X","Y_Y"]', added: '["X_X","Y_Y"]', removed: '[]' },
      {
        ...who,
        before: '["X_X","Y_Y"]',
        after: '["Y_Y","Z_Z"]',
        added: '["Z_Z"]',
        removed: '["X_X"]',
      },
      // SQL made her a member.
      {
        ...{ staff_id: people.ann.staffId, change: 'unrecorded', actor: '', leaf_index: '' },
        ...{ before: '[]', after: '["A_A","B_B"]', not_after: '' },
      },
    ]);
  });

  it('never name people of another tenant', () => {
    for (const name of TABLES)
      expect(String(march.get(`${name}.csv`))).not.toContain(people.stranger.staffId);
  });

  it('say of leaving today that access ended with it, and of a past range what they said before', async () => {
    const { tenantId } = officer;
    const leaver = await seedTestUserAndToken({ tenantId, permissions: ['A_A'] });
    await disableStaff(deps, operatorContext, leaver, { via: 'operator' });
    await enableStaff(deps, operatorContext, people.carl, { via: 'operator' });
    await disableStaff(deps, operatorContext, people.ann, { via: 'operator' });
    await changeAccess(
      deps,
      operatorContext,
      people.bob,
      { permissions: { set: [] } },
      { via: 'operator' },
    );

    const day = { from: today(), to: today() };
    const now = await exportBundle(officer, day);
    const left = {
      change: 'left',
      permissions: '',
      sessions_ended: '1',
      minutes_to_revocation: '0.00',
    };
    expect(byStaff(rowsOf(now, 'joiners-leavers'), leaver)).toMatchObject([
      { change: 'joined', leaf_index: '', permissions: '["A_A"]' },
      { ...left, leaf_index: expect.stringMatching(/^\d+$/) },
    ]);
    expect(byStaff(rowsOf(now, 'joiners-leavers'), people.carl)).toMatchObject([
      { change: 'returned' },
    ]);
    const review = rowsOf(now, 'access-review');
    expect(byStaff(review, leaver)).toMatchObject([{ status: 'disabled', permissions: '["A_A"]' }]);
    expect(byStaff(review, people.carl)).toMatchObject([{ status: 'active', disabled_at: '' }]);
    expect(byStaff(review, people.bob)).toMatchObject([{ status: 'disabled', permissions: '[]' }]);

    const again = await exportBundle(officer, MARCH);
    for (const name of TABLES) {
      expect(String(again.get(`${name}.csv`))).toBe(String(march.get(`${name}.csv`)));
    }
  });
});
