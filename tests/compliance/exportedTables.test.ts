import { eq, sql } from 'drizzle-orm';
import { SECURITY_EVENT_ACTIONS } from '@/server/audit';
import type { AuditAction } from '@/server/audit';
import { app } from '@/server/app';
import { LOG_FILES, TABLE_FILES } from '@/server/compliance/bundleFiles';
import { db } from '@/server/db';
import { tenantStaff } from '@/server/db/schema';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import type { Evidence } from '@/tests/helpers/evidence/evidenceBundle';
import { seedOfficer } from '@/tests/helpers/people/officer';
import {
  ALIVE_IN_MARCH,
  IN_MARCH,
  KIND,
  idOf,
  insertPastRows,
} from '@/tests/helpers/evidence/pastRows';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';
import type { SeededAuth } from '@/tests/helpers/seedAuth';

const OURS = 'aaaaaaaa';
const FOREIGN = 'ffffffff';
const march = { from: '2025-03-01', to: '2025-03-31', format: 'csv' };

describe('each table of a bundle', () => {
  let officer: SeededAuth;
  let other: SeededAuth;
  let member: SeededAuth;
  let stranger: SeededAuth;
  let evidence: Evidence;

  beforeAll(async () => {
    officer = await seedOfficer();
    other = await seedOfficer();
    await insertPastRows(other, FOREIGN);
    await insertPastRows(officer, OURS);
    await writeAcrossTenants();
    await db.execute(sql`INSERT INTO audit_logs (action, outcome, actor, correlation_id, occurred_at, details)
      SELECT action, 'success', 'system', 'schema', at::timestamptz, jsonb_build_object('tag', tag)
      FROM (VALUES ('2025-03-31T23:59:59.999Z', '4'), ('2025-03-01T00:00:00Z', '3'), ('2025-03-01T00:00:00Z', '2'),
          ('2025-02-28T23:59:59.999Z', '1'), ('2025-04-01T00:00:00Z', '5')) AS v(at, tag),
        unnest(ARRAY['SCHEMA_MIGRATED', 'SCHEMA_HEALTH_FAILED', 'SCHEMA_HEALTH_RESTORED']) AS action`);
    evidence = await downloadEvidence(app, officer, march);
  });

  /**
   * Writes events of this tenant's people into another tenant's log, and the other way round.
   * Neither may be shown.
   */
  async function writeAcrossTenants() {
    const { tenantId, staffId } = officer;
    member = await seedTestUserAndToken({ tenantId });
    stranger = await seedTestUserAndToken();
    const joined = (day: string) => ({ createdAt: new Date(`${day}T00:00:00Z`) });
    await db.update(tenantStaff).set(joined('2025-01-01')).where(eq(tenantStaff.id, staffId));
    await db
      .update(tenantStaff)
      .set(joined('2025-03-15'))
      .where(eq(tenantStaff.id, member.staffId));
    const details = {
      ...{ permissions: ['FOREIGN'], disabledAt: '2025-03-09T00:00:00.000Z', factor: 'FOREIGN' },
    };
    const event = (action: AuditAction, day: string, who = staffId) => ({
      ...{ action, subject: `staff:${who}`, details, occurredAt: new Date(`${day}T00:00:00Z`) },
    });
    await writeEvents(other.tenantId, [
      event('STAFF_CREATED', '2025-03-15', member.staffId),
      event('STAFF_DISABLED', '2025-03-10'),
      event('STAFF_ENABLED', '2025-03-11'),
      event('SCHEMA_MIGRATED', '2025-03-11'),
      event('STAFF_ENABLED', '2025-04-10'),
      event('FACTOR_REMOVED', '2025-04-10'),
    ]);
    const change = event('STAFF_PERMISSIONS_CHANGED', '2025-03-10');
    await writeEvents(tenantId, [
      { ...change, outcome: 'denied', details: {} },
      { ...change, subject: `staff:${stranger.staffId}`, actor: 'odd', details: {} },
    ]);
  }

  const column = (file: string, name: string) =>
    evidence.table(`${file}.csv`).map((row) => row[name]);
  const ids = (kind: number, which: readonly number[]) => which.map((n) => idOf(OURS, kind, n));

  it('has the rows of the range, from its first moment to its last, in their order', () => {
    expect(column('sessions', 'id')).toEqual(ids(KIND.session, ALIVE_IN_MARCH));
    expect(column('token-revocations', 'token_id')).toEqual(ids(KIND.token, IN_MARCH));
    expect(column('risk-decisions', 'id')).toEqual(ids(KIND.decision, IN_MARCH));
    expect(column('step-ups', 'challenge_id')).toEqual(ids(KIND.stepUp, IN_MARCH));
    expect(column('schema-changes', 'migration')).toEqual(['2', '3', '4']);
    const health = column('schema-health', 'occurred_at').map((at) => at?.slice(0, 10));
    expect(health).toEqual([...Array<string>(4).fill('2025-03-01'), '2025-03-31', '2025-03-31']);
  });

  it.each([
    ['ip-rules', ['IP_RULE_CREATED', 'IP_RULE_UPDATED', 'IP_RULE_DELETED']],
    ['impersonations', ['IMPERSONATION_STARTED', 'IMPERSONATION_ENDED']],
    ['data-exports', ['DATA_EXPORT_REQUESTED', 'DATA_EXPORT_COMPLETED', 'DATA_EXPORT_FAILED']],
  ])('%s has the events of its actions', (file, actions) => {
    const rows = evidence.table(`${file}.csv`).map((row) => `${row['action']} ${row['actor']}`);
    // Rows with the same time are ordered by their ids.
    const at = (moments: readonly number[]) =>
      actions.flatMap((action) => moments.map((n) => `${action} actor ${n}`));
    expect(rows).toEqual([...at([2, 3]), ...at([4])]);
  });

  it('has what was changed of permissions, first what came first', () => {
    // The made-up lists do not follow from each other. Other tests cover unrecorded changes.
    const rows = evidence
      .table('permission-changes.csv')
      .filter((row) => row['change'] === 'recorded');
    expect(rows.map((row) => [row['actor'], row['after']])).toEqual(
      [2, 3, 2, 3, 0, 4, 4].map((n) => (n ? [`actor ${n}`, `["P_${n}"]`] : ['odd', '[]'])),
    );
    // The last one is in the log but is no member: a person who was deleted.
    const staff = column('joiners-leavers', 'actor');
    expect(staff).toEqual(['actor 2', 'actor 3', '', 'actor 4', '']);
    expect(column('joiners-leavers', 'change').at(-1)).toBe('deleted');
  });

  it('has each value in its column', () => {
    const { staffId, sessionId } = officer;
    const at = '2025-03-01T00:00:00.000Z';
    const event = { occurred_at: at, session_id: sessionId, ip: '203.0.113.9', actor: 'actor 2' };
    expect(
      evidence.table('data-exports.csv').find((row) => row['action']?.endsWith('FAILED')),
    ).toEqual({
      ...{ ...event, action: 'DATA_EXPORT_FAILED', export_id: staffId.slice(1) },
      ...{ kind: 'bundle', range_from: 'a day', range_to: 'another', format: 'csv', bytes: '2' },
      ...{ reason: 'database', leaf_index: expect.stringMatching(/^\d+$/) },
    });
    expect(evidence.table('impersonations.csv')[0]).toMatchObject({
      ...{ ...event, on_behalf_of: staffId, subject: `staff:${staffId}` },
    });
    expect(evidence.table('risk-decisions.csv')[0]).toEqual({
      ...{ id: idOf(OURS, KIND.decision, 2), occurred_at: at, at: 'refresh', staff_id: staffId },
      ...{ session_id: sessionId, score: '70', reasons: '["NEW_DEVICE"]', decision: 'step_up' },
      ...{ outcome: 'challenged', policy_version: '3', skipped: '', ip: '203.0.113.9' },
      ...{ country: 'DE', verdict: 'suspicious', verdict_by: staffId, verdict_note: "'=note" },
      ...{ verdict_at: '2025-06-01T00:00:00.000Z', correlation_id: 'decision 2' },
    });
    expect(evidence.table('step-ups.csv')[0]).toMatchObject({
      outcome: 'verified',
      method: 'totp',
    });
    expect(evidence.table('token-revocations.csv')).toMatchObject([
      { family_id: idOf(OURS, KIND.token, 2), revoke_reason: 'rotation' },
      { family_id: idOf(OURS, 9, 1) },
      { family_id: idOf(OURS, 9, 1) },
    ]);
  });

  it('names nobody and nothing of another tenant', async () => {
    const everything = await downloadEvidence(app, officer, {
      ...{ from: '2024-06-01', to: utcToday(), format: 'json' },
    });
    for (const [name, content] of [...evidence.files, ...everything.files]) {
      const text = content.toString('utf8');
      const { tenantId, staffId, email } = other;
      for (const foreign of [FOREIGN, 'FOREIGN', tenantId, staffId, email, stranger.email])
        expect([name, text.includes(foreign)]).toEqual([name, false]);
    }
    const active = { staff_id: officer.staffId, status: 'active', factors: '[]' };
    expect(evidence.table('access-review.csv')).toMatchObject([
      { ...active, permissions: '[]' },
      { staff_id: member.staffId },
    ]);
  });

  it('is described in the manifest as it is', () => {
    const described = [...LOG_FILES, ...TABLE_FILES];
    for (const entry of evidence.manifest.files) {
      const file = described.find(({ name }) => entry.name === `${name}.csv`);
      if (!file) continue;
      const leaves = evidence
        .table(entry.name)
        .map((row) => row['leaf_index'] ?? '')
        .filter((leaf) => leaf !== '')
        .map(Number);
      const [firstLeaf, lastLeaf] =
        leaves.length > 0 ? [Math.min(...leaves), Math.max(...leaves)] : [null, null];
      expect(entry).toMatchObject({
        description: file.description,
        population: { ...file.population, firstLeaf, lastLeaf },
      });
    }
    const { log, files } = evidence.manifest;
    expect(files.find(({ name }) => name === 'leaves.txt')?.population).toMatchObject({
      ...{ firstLeaf: log.firstLeaf, lastLeaf: log.lastLeaf },
    });
    expect(files.flatMap(({ name, actions }) => (actions ? [[name, actions]] : []))).toEqual([
      ['security-events.csv', SECURITY_EVENT_ACTIONS],
    ]);
  });

  it('is counted in the summary week by week, as audit-log has it', () => {
    const counted = ['AUTH_LOGIN_SUCCEEDED', 'AUTH_LOGIN_FAILED', 'STEP_UP_REQUIRED'].concat(
      ...['LOGIN_BLOCKED', 'DATA_EXPORT_COMPLETED'],
    );
    const log = evidence.table('audit-log.csv');
    const count = (action: string, from: string, to: string) =>
      log.filter(
        (row) =>
          row['action'] === action &&
          (row['occurred_at'] ?? '') >= from &&
          (row['occurred_at'] ?? '') < to,
      ).length;
    const page = evidence.text('summary.html');
    const weeks = ['02-24', '03-03', '03-10', '03-17', '03-24', '03-31', '04-07'];
    const rows = weeks.slice(0, -1).map((week, n) => {
      const cells = counted.map((action) => count(action, `2025-${week}`, `2025-${weeks[n + 1]}`));
      return `<tr><th>2025-${week}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
    });
    expect(rows[0]).toContain('<td>2</td><td>2</td><td>2</td><td>2</td><td>2</td>');
    expect(page).toContain(`<tbody>${rows.join('')}</tbody>`);
    expect(page).toContain('<h2>Failed sign-ins: 3</h2>');
  });
});
