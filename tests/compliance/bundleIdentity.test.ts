import { randomUUID } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import { app } from '@/server/app';
import { loadConfig } from '@/server/config';
import { db } from '@/server/db';
import { auditLogs, tenants } from '@/server/db/schema';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { withoutTable } from '@/tests/helpers/database/authRows';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import { as, seedOfficer } from '@/tests/helpers/people/officer';

const range = { from: '2026-01-01', to: utcToday() };

const eventsOf = (tenantId: string, action: string) =>
  db
    .select()
    .from(auditLogs)
    .where(and(eq(auditLogs.tenantId, tenantId), eq(auditLogs.action, action)));

describe('a bundle', () => {
  it('says in its manifest what it is, of whom and as of when', async () => {
    const { token, tenantId, tenantSlug } = await seedOfficer();
    const name = 'Another name than the slug';
    await db.update(tenants).set({ name }).where(eq(tenants.id, tenantId));
    const began = new Date().toISOString();
    const evidence = await downloadEvidence(app, { token }, { ...range, format: 'json' });
    const { manifest, zip, files } = evidence;
    const [requested] = await eventsOf(tenantId, 'DATA_EXPORT_REQUESTED');
    expect(manifest).toMatchObject({
      ...{ bundle: 'gatehouse-evidence', version: 2, range, format: 'json' },
      exportId: requested?.subject?.slice('export:'.length),
      tenant: { id: tenantId, slug: tenantSlug, name },
      generator: { name: 'gatehouse', version: loadConfig().version },
    });
    expect(manifest.asOf >= began).toBe(true);
    expect(manifest.asOf <= new Date().toISOString()).toBe(true);
    const named = evidence.table('controls.csv').map((row) => row['file'] ?? '');
    expect(named.filter((file) => !files.has(file))).toEqual([]);
    // The first time that a ZIP can represent, in MS-DOS's form.
    expect([zip.readUInt16LE(10), zip.readUInt16LE(12)]).toEqual([0, (1 << 5) | 1]);
  });

  it('leaves an event that says what left, and under which head', async () => {
    const officer = await seedOfficer();
    await writeEvents(officer.tenantId, [{}, {}]);
    const { manifest, zip } = await downloadEvidence(app, officer, { ...range, format: 'csv' });
    const [completed, ...others] = await eventsOf(officer.tenantId, 'DATA_EXPORT_COMPLETED');
    expect(others).toEqual([]);
    const { size, rootHash } = manifest.log;
    expect(completed?.details).toEqual({
      ...{ ...range, kind: 'bundle', format: 'csv', bytes: zip.length },
      checkpoint: { size, rootHash },
      files: manifest.files.flatMap(({ name, rows }) => (rows === null ? [] : [{ name, rows }])),
    });
  });

  it('proves growth from the newest hundred earlier bundles of its own tenant, of those whose size is one', async () => {
    const officer = await seedOfficer();
    const first = await downloadEvidence(app, officer, { ...range, format: 'csv' });
    const { size } = first.manifest.log;
    const bundles = (sizes: readonly unknown[], second: number) =>
      sizes.map((told, n) => ({
        action: 'DATA_EXPORT_COMPLETED' as const,
        occurredAt: new Date(Date.now() + second * 1000 + n),
        subject: `export:${randomUUID()}`,
        details: { checkpoint: { size: told } },
      }));
    const own = bundles(Array<number>(101).fill(size), 1);
    await writeEvents(officer.tenantId, [...own, ...bundles([0, -1, 1.5, 10_000, '1', null], 2)]);
    const other = await seedOfficer();
    await writeEvents(other.tenantId, bundles([size], 3));
    const evidence = await downloadEvidence(app, officer, { ...range, format: 'csv' });
    const growth = JSON.parse(evidence.text('consistency.json')) as {
      origin: string;
      size: number;
      rootHash: string;
      from: { exportId: string }[];
    };
    const { origin, rootHash } = evidence.manifest.log;
    expect(growth).toMatchObject({ origin, rootHash, size: evidence.manifest.log.size });
    expect(JSON.parse(evidence.text('leaves.json'))).toMatchObject({ origin, rootHash });
    expect(growth.from.map(({ exportId }) => `export:${exportId}`)).toEqual(
      own
        .slice(1)
        .map(({ subject }) => subject)
        .reverse(),
    );
  });

  it.each(['user_sessions', 'risk_decisions'])(
    'is refused as long as %s is missing, and that is recorded',
    async (table) => {
      const officer = await seedOfficer();
      const body = { ...range, format: 'csv' };
      const ask = () => as(app, officer).post('/api/compliance/export/bundle', body);
      const res = await withoutTable(table, ask);
      expect(res.status).toBe(503);
      expect(res.headers['content-disposition']).toBeUndefined();
      const failed = await eventsOf(officer.tenantId, 'DATA_EXPORT_FAILED');
      expect(failed.map(({ details }) => details['reason'])).toEqual(['database']);
      expect(await eventsOf(officer.tenantId, 'DATA_EXPORT_COMPLETED')).toEqual([]);
    },
  );
});
