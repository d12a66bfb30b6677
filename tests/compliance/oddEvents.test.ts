import { eq, sql } from 'drizzle-orm';
import { app } from '@/server/app';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { downloadEvidence } from '@/tests/helpers/evidence/evidenceBundle';
import type { Evidence } from '@/tests/helpers/evidence/evidenceBundle';
import { seedOfficer } from '@/tests/helpers/people/officer';
import type { SeededAuth } from '@/tests/helpers/seedAuth';
import { expectWholeStretch } from '@/tests/helpers/evidence/wholeStretch';

/**
 * Events that the code never writes, but that anyone with the right to insert could. They stay in
 * the log forever.
 */
const ODD: readonly (readonly [action: string, occurredAt: string, details: string])[] = [
  ['AUTH_LOGOUT', '2025-03-01T00:00:00Z', '-5'],
  ['AUTH_LOGOUT', '2025-03-01T00:00:01Z', 'null'],
  ['AUTH_LOGOUT', '2025-03-01T00:00:02Z', '{"big":1e400,"fine":1.10,"text":"\\u0001\\u0002\\\\."}'],
  ['AUTH_LOGOUT', '0044-03-15T12:00:00.120Z BC', '{}'],
  ['AUTH_LOGOUT', '0099-03-15T12:00:00Z', '{}'],
  ['AUTH_LOGOUT', '10000-01-02T00:00:00.003Z', '{}'],
  ['AUTH_LOGOUT', 'infinity', '{}'],
  ['AUTH_LOGOUT', '-infinity', '{}'],
  ['STAFF_PERMISSIONS_CHANGED', '2025-03-02T00:00:00Z', '[1]'],
  ['STAFF_PERMISSIONS_CHANGED', '2025-03-03T00:00:00Z', '{"before":null,"after":{"a":["="]}}'],
  ['STAFF_PERMISSIONS_CHANGED', '2025-03-03T00:00:01Z', '{"before":"A","after":{"A":"B"}}'],
  [
    'STAFF_PERMISSIONS_CHANGED',
    '2025-03-03T00:00:02Z',
    '{"before":["A"],"after":["B",null,"A",1,["C"],{"D":"E"}]}',
  ],
  [
    'STAFF_PERMISSIONS_CHANGED',
    '2025-03-03T00:00:03Z',
    '{"before":7,"after":null,"permissions":["A"]}',
  ],
  ['STAFF_ENABLED', '2025-03-04T00:00:00Z', '{"disabledAt":"nonsense"}'],
  ['STAFF_ENABLED', '2025-03-05T00:00:00Z', '{"disabledAt":"2025-99-99T99:99:99.999Z"}'],
  ['STAFF_ENABLED', '2025-04-05T00:00:00Z', '{"disabledAt":{"an":"object"}}'],
  ['FACTOR_REMOVED', '2025-04-06T00:00:00Z', '{"factor":1,"factorIds":{"a":[{}]}}'],
  ['DATA_EXPORT_COMPLETED', '2025-03-06T00:00:00Z', '{"bytes":-1,"checkpoint":{"size":1.5}}'],
  ['DATA_EXPORT_COMPLETED', '2025-03-07T00:00:00Z', '{"bytes":"=1","checkpoint":{"size":"1"}}'],
  ['DATA_EXPORT_COMPLETED', '2025-03-08T00:00:00Z', '{"checkpoint":{"size":1e400}}'],
  ['DATA_EXPORT_COMPLETED', '2025-03-09T00:00:00Z', '{"checkpoint":[]}'],
];

describe('events as nobody should write them', () => {
  let officer: SeededAuth;
  let json: Evidence;
  let csv: Evidence;

  beforeAll(async () => {
    officer = await seedOfficer();
    const { tenantId, staffId } = officer;
    const long = { createdAt: new Date('2025-01-01T00:00:00Z') };
    await db.update(tenantStaff).set(long).where(eq(tenantStaff.id, staffId));
    for (const [action, occurredAt, details] of ODD)
      await db.execute(sql`INSERT INTO audit_logs
        (tenant_id, occurred_at, action, outcome, actor, subject, correlation_id, details, user_agent)
        VALUES (${tenantId}, ${occurredAt}::timestamptz, ${action}, 'success', 'system', ${`staff:${staffId}`}, '\\.', ${details}::jsonb, '')`);
    const march = { from: '2025-03-01', to: '2025-03-31' };
    json = await downloadEvidence(app, officer, { ...march, format: 'json' });
    csv = await downloadEvidence(app, officer, { ...march, format: 'csv' });
  });

  it('are in the bundle as they were hashed', () => {
    expectWholeStretch(json);
    expect(json.manifest.log).toMatchObject({ firstLeaf: 0, lastLeaf: ODD.length });
  });

  it('say the same in both formats', () => {
    for (const name of ['audit-log', 'audit-log-edges']) {
      const rows = csv.table(`${name}.csv`);
      for (const [at, line] of json.lines(`${name}.jsonl`).entries()) {
        const { details, ...row } = rows[at] ?? {};
        expect(JSON.parse(details?.replace(/^'/, '') ?? '')).toEqual(line['details']);
        const cells = Object.entries(line as Record<string, string | number | null>)
          .filter(([member]) => !['details', 'tenant_id'].includes(member))
          .map(([member, value]) => [member, String(value ?? '')]);
        expect(row).toEqual(Object.fromEntries(cells));
      }
    }
    expect(csv.text('audit-log.csv')).toContain(`,success,system,staff:${officer.staffId},,,,,"",`);
  });

  it('bring no formula into a table', () => {
    expect(csv.table('audit-log.csv').map((row) => row['details'])).toContain("'-5");
    expect(csv.table('data-exports.csv').map((row) => row['bytes'])).toEqual([
      "'-1",
      '"=1"',
      '',
      '',
    ]);
  });

  it('show only the texts of a list as permissions, and nothing of a value that is no list', () => {
    const changes = csv.table('permission-changes.csv');
    const recorded = changes.filter((row) => row['change'] === 'recorded');
    const lists = recorded.map(({ before, after, added, removed }) => [
      ...[before, after, added, removed],
    ]);
    expect(lists).toEqual([
      ['[]', '[]', '[]', '[]'],
      ['[]', '[]', '[]', '[]'],
      ['[]', '[]', '[]', '[]'],
      ['["A"]', '["A","B"]', '["B"]', '[]'],
      ['[]', '["A"]', '["A"]', '[]'],
    ]);
  });

  it('leave the tables of staff as they are without them', () => {
    const changes = csv.table('permission-changes.csv');
    expect(changes.filter((row) => row['change'] === 'recorded')).toHaveLength(5);
    expect(csv.table('access-review.csv')).toMatchObject([
      { staff_id: officer.staffId, status: 'disabled', disabled_at: '' },
    ]);
    // A person came back who had never been disabled on record, so the leaving is shown as
    // unrecorded.
    const staff = csv.table('joiners-leavers.csv').map(({ change, record }) => [change, record]);
    expect(staff).toEqual([
      ['left', 'unrecorded'],
      ['returned', 'recorded'],
      ['returned', 'recorded'],
      ['left', 'unrecorded'],
    ]);
  });
});
