import { eq, sql } from 'drizzle-orm';
import { db } from '@/server/db';
import { declaredEventTypes, serviceKeys } from '@/server/db/schema';
import { ocsfLine } from '@/server/audit';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import { seedOfficer } from '@/tests/helpers/people/officer';
import { DELETED, declareDeleted, deletion, openReporter } from '@/tests/helpers/people/reporter';
import { buildApp } from '@/tests/helpers/server/testApp';
import { verify } from '@/tests/verifier/verifyFile';

const node = buildApp();
const { app, deps } = node;
const range = { from: utcToday(), to: utcToday(), format: 'csv' };

beforeAll(declareDeleted);

describe('the events of the product in a bundle', () => {
  it('are those of the own tenant, safe in a spreadsheet, and verify offline', async () => {
    const officer = await seedOfficer();
    const stranger = await seedOfficer();
    const { report } = await openReporter(node);
    const reported = await report([
      deletion(officer.tenantSlug, {
        ...{ actor: { name: '=cmd()' }, subject: 'x:=1+1', outcome: 'denied' },
        ...{ details: { project: '=HYPERLINK("x")', amount: 3 }, address: '2001:DB8::1' },
      }),
      deletion(stranger.tenantSlug),
      deletion(officer.tenantSlug, { occurredAt: '2026-01-31T12:00:00Z' }),
    ]);
    expect(reported.status).toBe(201);
    const evidence = await downloadEvidence(app, officer, range);
    const rows = evidence.table('app-events.csv');
    expect(rows).toMatchObject([
      {
        ...{ action: 'app.project.deleted', sentence: DELETED.sentence, outcome: 'denied' },
        ...{ actor: 'reported:=cmd()', subject: 'x:=1+1', ip: '2001:db8::1', reported_time: '' },
        reported: '["actor", "subject", "address", "outcome"]',
        fields: '{"amount": 3, "project": "=HYPERLINK(\\"x\\")"}',
      },
      { outcome: 'success', reported_time: '2026-01-31T12:00:00.000Z', reported: '[]' },
    ]);
    const [{ id = '', name = '' } = {}] = await db
      .select()
      .from(serviceKeys)
      .where(sql`id::text = ${String(rows[0]?.['reported_by'])}`);
    const service = { reported_by: id, reported_by_name: name };
    expect(rows).toMatchObject([
      { ...service, actor_email: '' },
      { ...service, actor: `service:${id}`, actor_email: '' },
    ]);
    expect(rows.flatMap(Object.values).filter((cell) => /^[=+@-]/.test(String(cell)))).toEqual([]);
    expect(evidence.table('app-event-types.csv')).toMatchObject([
      { name: 'app.project.deleted', sentence: DELETED.sentence, withdrawn_at: '' },
    ]);
    expect(evidence.table('controls.csv').map(({ file }) => file)).toEqual(
      expect.arrayContaining(['app-events.csv', 'app-event-types.csv']),
    );
    const { found, outcome } = await verify(evidence.zip, { keys: [evidence.manifest.key] });
    expect([found, outcome]).toEqual([[], 'sound']);
  });

  it('name the member who acted, and the service even after its key was revoked', async () => {
    const officer = await seedOfficer();
    const { report } = await openReporter(node);
    const { email, staffId } = officer;
    await report([deletion(officer.tenantSlug, { actor: { staffId } })]);
    await db.update(serviceKeys).set({ name: '=revoked', revokedAt: new Date() });
    const evidence = await downloadEvidence(app, officer, range);
    expect(evidence.table('app-events.csv')).toMatchObject([
      { actor: staffId, actor_email: email, reported_by_name: "'=revoked" },
    ]);
  });

  it('stay in it after their type was withdrawn', async () => {
    const officer = await seedOfficer();
    const { report } = await openReporter(node);
    await report([deletion(officer.tenantSlug)]);
    await db
      .update(declaredEventTypes)
      .set({ withdrawnAt: new Date() })
      .where(eq(declaredEventTypes.name, 'app.project.deleted'));
    const evidence = await downloadEvidence(app, officer, range);
    expect(evidence.table('app-events.csv')).toHaveLength(1);
    expect(evidence.table('app-event-types.csv')[0]?.['withdrawn_at']).not.toBe('');
    await declareDeleted();
  });
});

it('a reported event is an API activity in OCSF, and a reported name is no user id', async () => {
  const officer = await seedOfficer();
  const { report } = await openReporter(node);
  const event = deletion(officer.tenantSlug, { actor: { name: 'import' }, subject: 'project:1' });
  const { ids } = (await report([event])).body as { ids: string[] };
  await deps.sealer.sealNow(10_000);
  const { rows } = await deps.pool.query<{ line: string }>(
    `SELECT ${ocsfLine('1.0.0')} AS line FROM audit_logs e JOIN audit_leaves l ON l.event_id = e.id WHERE e.id = $1`,
    [ids[0]],
  );
  expect(JSON.parse(rows[0]?.line ?? '')).toMatchObject({
    ...{ class_uid: 6003, activity_id: 99, type_uid: 600399 },
    metadata: { event_code: 'app.project.deleted' },
    actor: { user: { name: 'import', type_id: 0 } },
    api: { operation: 'app.project.deleted' },
    src_endpoint: { name: 'unknown' },
    unmapped: { details: { fields: { project: 'p-1' }, reported: ['actor', 'subject'] } },
  });
});
