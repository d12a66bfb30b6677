import { lockTenantPlace } from '@/server/compliance/exportPlaceStore';
import { takeExportPlace } from '@/server/compliance/exportPlaces';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app, deps } = buildApp();
const range = { from: utcToday(), to: utcToday(), format: 'csv' };
const exportAs = (officer: { token: string }, node = app) =>
  as(node, officer).post('/api/compliance/export/security-events', range);

type Leave = () => Promise<void>;
const taken: Leave[] = [];
const take = async (place: Promise<Leave | undefined>) => {
  const leave = await place;
  if (!leave) throw new Error('no place is free');
  taken.push(leave);
};
const busy = expect.objectContaining({ code: 'EXPORT_BUSY' });

afterEach(async () => {
  for (const leave of taken.splice(0)) await leave();
});

describe('places for exports', () => {
  it('are two for a tenant on all nodes together, and those of another tenant stay free', async () => {
    const [officer, stranger] = [await seedOfficer(), await seedOfficer()];
    // As if two other nodes held them.
    await take(lockTenantPlace(deps.config, officer.tenantId, 2));
    await take(lockTenantPlace(deps.config, officer.tenantId, 2));
    const refused = await exportAs(officer);
    expect([refused.status, refused.body.error]).toEqual([503, 'EXPORT_BUSY']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await exportAs(stranger)).status).toBe(200);
    await taken.pop()?.();
    expect((await exportAs(officer)).status).toBe(200);
  });

  it('are no longer taken by a node that died', async () => {
    const officer = await seedOfficer();
    await take(lockTenantPlace(deps.config, officer.tenantId, 1));
    expect(await lockTenantPlace(deps.config, officer.tenantId, 1)).toBeUndefined();
    await deps.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'gatehouse-export-place' AND datname = current_database()`,
    );
    await take(lockTenantPlace(deps.config, officer.tenantId, 1));
    expect(taken).toHaveLength(2);
  });

  it.each([
    [10, 2, 4],
    [3, 1, 2],
    [2, 1, 1],
  ])(
    'with a pool of %i: a tenant has %i on a node, and all tenants have %i',
    async (databasePoolSize, ofTenant, onNode) => {
      const node = buildApp({ databasePoolSize }).deps;
      const tenant = (n: number) => `tenant ${databasePoolSize} ${n}`;
      for (let n = 0; n < ofTenant; n += 1) await take(takeExportPlace(node, tenant(0)));
      await expect(takeExportPlace(node, tenant(0))).rejects.toEqual(busy);
      for (let n = ofTenant; n < onNode; n += 1) await take(takeExportPlace(node, tenant(n)));
      await expect(takeExportPlace(node, tenant(99))).rejects.toEqual(busy);
      await taken.pop()?.();
      await take(takeExportPlace(node, tenant(99)));
    },
  );
});
