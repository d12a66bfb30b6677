import { randomBytes, randomUUID } from 'node:crypto';
import { db } from '@/server/db';
import { apiKeys } from '@/server/db/schema';
import { writeEvents } from '@/tests/helpers/evidence/auditReads';
import { downloadEvidence, utcToday } from '@/tests/helpers/evidence/evidenceBundle';
import { at } from '@/tests/helpers/evidence/pastStaff';
import { seedAdministrator } from '@/tests/helpers/people/administrator';
import { as, seedOfficer } from '@/tests/helpers/people/officer';
import { makeApiKey } from '@/tests/helpers/people/programs';
import { buildApp } from '@/tests/helpers/server/testApp';

const { app } = buildApp();
const MARCH = { from: '2025-03-01', to: '2025-03-31', format: 'csv' };
const APRIL = { from: '2025-04-01', to: '2025-04-30', format: 'csv' };
const instant = (text: string) => at(text).toISOString();

describe('api-keys.csv', () => {
  it('has each key that was in force in the range, as it was at its end', async () => {
    const officer = await seedOfficer();
    const { tenantId, staffId, userId } = officer;
    const [kept, bySql, early] = [randomUUID(), randomUUID(), randomUUID()];
    const row = (id: string, created: string, expires: string) => ({
      ...{ id, tenantId, staffId, userId, secretHash: randomBytes(32), keyId: 'x' },
      ...{ name: `Key ${id}`, createdAt: at(created), expiresAt: at(expires) },
    });
    const narrow = { name: 'Now', permissions: ['A_A'], addresses: ['192.0.2.0/24'] };
    await db.insert(apiKeys).values([
      {
        ...row(kept, '03-10T00:00:00', '05-20T00:00:00'),
        ...{ ...narrow, rotatedAt: at('04-05T00:00:00'), revokedAt: at('04-10T00:00:00') },
      },
      row(bySql, '03-11T00:00:00', '03-17T00:00:00'),
      row(early, '02-01T00:00:00', '02-08T00:00:00'),
    ]);
    const event = (action: string, when: string, details: object) => ({
      ...{ action, subject: `api-key:${kept}`, occurredAt: at(when), actor: 'ann', details },
    });
    const wide = { name: 'Then', permissions: ['B_B', 'A_A'], addresses: [] };
    const holder = { holder: staffId, via: 'api' };
    await writeEvents(tenantId, [
      event('API_KEY_CREATED', '03-10T00:00:00', {
        ...{ ...wide, ...holder, expiresAt: instant('04-08T00:00:00'), ticket: 'OPS-1' },
      }),
      event('API_KEY_ROTATED', '04-05T00:00:00', {
        ...{ ...holder, overlapSec: 60, expiresAt: instant('05-20T00:00:00') },
      }),
      event('API_KEY_CHANGED', '04-06T00:00:00', { before: wide, after: narrow, ...holder }),
      event('API_KEY_REVOKED', '04-10T00:00:00', { reason: 'forced_end', holder: staffId }),
    ] as Parameters<typeof writeEvents>[1]);
    const rows = async (range: object) =>
      (await downloadEvidence(app, officer, range)).table('api-keys.csv');
    expect(await rows(MARCH)).toMatchObject([
      {
        ...{ shows: 'in_force', key_id: kept, name: 'Then', permissions: '["A_A","B_B"]' },
        ...{ addresses: '[]', holder_id: staffId, holder_email: officer.email },
        ...{ created_at: instant('03-10T00:00:00'), expires_at: instant('04-08T00:00:00') },
        ...{ rotated_at: '', revoked_at: '', record: 'recorded', leaf_index: '' },
      },
      { shows: 'in_force', key_id: bySql, record: 'unrecorded' },
      {
        ...{ shows: 'created', key_id: kept, name: 'Then', actor: 'ann', ticket: 'OPS-1' },
        ...{ permissions: '["A_A","B_B"]', occurred_at: instant('03-10T00:00:00') },
        leaf_index: expect.stringMatching(/^\d+$/),
      },
    ]);
    expect(await rows(APRIL)).toMatchObject([
      {
        ...{ shows: 'in_force', key_id: kept, name: 'Now', permissions: '["A_A"]' },
        ...{ addresses: '["192.0.2.0/24"]', rotated_at: instant('04-05T00:00:00') },
        ...{ expires_at: instant('05-20T00:00:00'), revoked_at: instant('04-10T00:00:00') },
      },
      { shows: 'rotated', overlap_sec: '60', expires_at: instant('05-20T00:00:00') },
      {
        ...{ shows: 'changed', name: 'Now', name_before: 'Then', permissions: '["A_A"]' },
        ...{ permissions_before: '["A_A","B_B"]', addresses_before: '[]' },
      },
      { shows: 'revoked', reason: 'forced_end', permissions: '' },
    ]);
  });

  it('and no other file of the bundle holds a key or its hash', async () => {
    const admin = await seedAdministrator();
    const { key, id } = await makeApiKey(app, admin);
    const { key: next } = (await as(app, admin).post(`/api/tenants/api-keys/${id}/rotate`, {}))
      .body as { key: string };
    const stored = (await db.select().from(apiKeys)).filter((one) => one.id === id);
    const hashes = stored.flatMap(({ secretHash, previousHash }) => [secretHash, previousHash]);
    for (const format of ['csv', 'json']) {
      const range = { from: utcToday(), to: utcToday(), format };
      const { files, table } = await downloadEvidence(app, admin, range);
      expect(table('api-keys.csv').map(({ shows }) => shows)).toEqual([
        ...['in_force', 'created', 'rotated'],
      ]);
      for (const file of files.values()) {
        const text = file.toString('utf8');
        for (const secret of [key, next]) expect(text).not.toContain(secret.slice(5, 30));
        for (const hash of hashes) expect(text).not.toContain(hash?.toString('hex'));
      }
    }
  });
});
