import { and, eq } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { tenantStaff, tenants, users } from '../db/schema';

export async function insertTenant(tx: Tx, row: typeof tenants.$inferInsert): Promise<void> {
  await tx.insert(tenants).values(row);
}

export async function findTenantBySlug(db: Db, slug: string) {
  const [row] = await db.select().from(tenants).where(eq(tenants.slug, slug));
  return row;
}

export async function hasAnyTenant(db: Db): Promise<boolean> {
  const rows = await db.select({ id: tenants.id }).from(tenants).limit(1);
  return rows.length > 0;
}

/** @returns the id of the person with this e-mail: the new one, or the one who was there */
export async function insertUserIfNew(
  tx: Tx,
  row: typeof users.$inferInsert,
): Promise<{ id: string; created: boolean }> {
  const [inserted] = await tx
    .insert(users)
    .values(row)
    .onConflictDoNothing({ target: users.email })
    .returning({ id: users.id });
  if (inserted) return { id: inserted.id, created: true };
  const [found] = await tx.select({ id: users.id }).from(users).where(eq(users.email, row.email));
  if (!found) throw new Error('a user vanished while being created');
  return { id: found.id, created: false };
}

export async function insertStaff(tx: Tx, row: typeof tenantStaff.$inferInsert): Promise<void> {
  await tx.insert(tenantStaff).values(row);
}

export interface StaffMember {
  tenantId: string;
  userId: string;
  staffId: string;
  email: string;
}

export async function findStaffByEmail(
  db: Db,
  tenantId: string,
  email: string,
): Promise<StaffMember | undefined> {
  const [row] = await db
    .select({
      tenantId: tenantStaff.tenantId,
      userId: tenantStaff.userId,
      staffId: tenantStaff.id,
      email: users.email,
    })
    .from(tenantStaff)
    .innerJoin(users, eq(users.id, tenantStaff.userId))
    .where(and(eq(tenantStaff.tenantId, tenantId), eq(users.email, email)));
  return row;
}
