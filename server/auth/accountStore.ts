import { and, eq } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { tenantStaff, tenants, users } from '../db/schema';

export interface Membership {
  tenantId: string;
  slug: string;
  name: string;
  staffId: string;
  /** The version when the credentials were read: a session, or a challenge, begins under it alone. */
  sessionVersion: number;
  /** Tenant and staff member are active. */
  active: boolean;
}

export interface Account {
  userId: string;
  email: string;
  passwordHash: string;
  active: boolean;
  memberships: Membership[];
}

/** A person and their memberships in all tenants: which tenant is meant is not known before. */
export async function findAccount(db: Db, email: string): Promise<Account | undefined> {
  const rows = await db
    .select({ user: users, staff: tenantStaff, tenant: tenants })
    .from(users)
    .leftJoin(tenantStaff, eq(tenantStaff.userId, users.id))
    .leftJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
    .where(eq(users.email, email))
    .orderBy(tenants.slug);
  const user = rows[0]?.user;
  if (!user) return undefined;
  return {
    userId: user.id,
    email: user.email,
    passwordHash: user.passwordHash,
    active: user.status === 'active',
    memberships: rows.flatMap(({ staff, tenant }) =>
      staff && tenant
        ? [
            {
              tenantId: tenant.id,
              slug: tenant.slug,
              name: tenant.name,
              staffId: staff.id,
              sessionVersion: staff.sessionVersion,
              active: staff.status === 'active' && tenant.status === 'active',
            },
          ]
        : [],
    ),
  };
}

/**
 * Puts a new hash of the same password in place of the one that was verified. The cost of hashing changed, not the
 * password: `password_changed_at` stays.
 * @param hashes `from` is the hash that was verified
 * @returns false if another took its place meanwhile: a changed password must not be undone
 */
export async function replacePasswordHash(
  tx: Tx,
  userId: string,
  hashes: { from: string; to: string },
): Promise<boolean> {
  const rows = await tx
    .update(users)
    .set({ passwordHash: hashes.to })
    .where(and(eq(users.id, userId), eq(users.passwordHash, hashes.from)))
    .returning({ id: users.id });
  return rows.length === 1;
}

/** Who is signed in, for `/me`. */
export async function readProfile(db: Db, tenantId: string, userId: string) {
  const [row] = await db
    .select({
      email: users.email,
      tenant: { id: tenants.id, slug: tenants.slug, name: tenants.name },
    })
    .from(users)
    .innerJoin(tenantStaff, eq(tenantStaff.userId, users.id))
    .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
    .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.userId, userId)));
  return row;
}
