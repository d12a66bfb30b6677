import { eq } from 'drizzle-orm';
import { findNamed } from '@/server/appEvents/reportedMemberStore';
import { db } from '@/server/db';
import { tenants } from '@/server/db/schema';
import { seedTestUserAndToken } from '@/tests/helpers/seedAuth';

describe('the names of a batch of events', () => {
  it('are found for several tenants in one statement, and a member only in the own tenant', async () => {
    const one = await seedTestUserAndToken();
    const other = await seedTestUserAndToken();
    const found = await findNamed(db, [
      { tenant: { id: one.tenantId }, member: { staffId: one.staffId } },
      { tenant: { slug: other.tenantSlug }, member: { userId: other.userId } },
      { tenant: { id: one.tenantId }, member: { staffId: other.staffId } },
      { tenant: { slug: one.tenantSlug }, member: { userId: other.userId } },
      { tenant: { slug: 'no-such-tenant' }, member: { userId: other.userId } },
      { tenant: { id: one.tenantId } },
    ]);
    expect(found).toEqual([
      { tenantId: one.tenantId, staffId: one.staffId },
      { tenantId: other.tenantId, staffId: other.staffId },
      { tenantId: one.tenantId, staffId: undefined },
      { tenantId: one.tenantId, staffId: undefined },
      { tenantId: undefined, staffId: undefined },
      { tenantId: one.tenantId, staffId: undefined },
    ]);
  });

  it('are found in a suspended tenant, and not in a deleted one', async () => {
    const { tenantId, staffId } = await seedTestUserAndToken();
    const names = [{ tenant: { id: tenantId }, member: { staffId } }];
    const become = (status: 'suspended' | 'deleted') =>
      db.update(tenants).set({ status }).where(eq(tenants.id, tenantId));
    await become('suspended');
    expect(await findNamed(db, names)).toEqual([{ tenantId, staffId }]);
    await become('deleted');
    expect(await findNamed(db, names)).toEqual([{ tenantId: undefined, staffId: undefined }]);
  });
});
