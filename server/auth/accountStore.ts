import { and, asc, eq, isNull, lte, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { tenantStaff, tenants, users } from '../db/schema';
import { HASH_COST } from '../db/schema/users';

export interface Membership {
  tenantId: string;
  slug: string;
  name: string;
  staffId: string;
  /** The version when the credentials were read: a session, or a challenge, begins under it alone. */
  sessionVersion: number;
  /** The next login takes a proof, whatever its score. */
  mustProveLogin: boolean;
  /** Tenant and staff member are active. */
  active: boolean;
}

export interface Account {
  userId: string;
  email: string;
  passwordHash: string;
  /** Somebody else knew the password: it no longer signs anybody in. */
  passwordExpired: boolean;
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
    passwordExpired: user.passwordExpiredAt !== null,
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
              mustProveLogin: staff.mustProveLogin,
              active: staff.status === 'active' && tenant.status === 'active',
            },
          ]
        : [],
    ),
  };
}

/**
 * The algorithms and costs of all stored hashes, as they stand at the beginning of each. It steps along an index from one value
 * to the next, so that it reads as many rows as there are different costs.
 */
export async function readHashCosts(db: Db): Promise<string[]> {
  const cost = sql`substring(${users.passwordHash} from ${sql.raw(HASH_COST)})`;
  const next = (after: SQL) =>
    sql`(SELECT ${cost} FROM ${users} WHERE ${cost} > ${after} ORDER BY ${cost} LIMIT 1)`;
  const { rows } = await db.execute<{ cost: string }>(sql`WITH RECURSIVE costs (cost) AS (
      SELECT ${next(sql`''`)}
      UNION ALL SELECT ${next(sql`costs.cost`)} FROM costs WHERE costs.cost IS NOT NULL
    ) SELECT cost FROM costs WHERE cost IS NOT NULL`);
  return rows.map((row) => row.cost);
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

const ofStaff = (tenantId: string, staffId: string) =>
  and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId));

/** From now on the next login of this staff member takes a proof. */
export async function requireProofAtLogin(
  tx: Tx,
  tenantId: string,
  staffId: string,
): Promise<void> {
  await tx.update(tenantStaff).set({ mustProveLogin: true }).where(ofStaff(tenantId, staffId));
}

/** The proof that was due has been given. */
export async function noteProofAtLogin(tx: Tx, tenantId: string, staffId: string): Promise<void> {
  const due = and(ofStaff(tenantId, staffId), eq(tenantStaff.mustProveLogin, true));
  await tx.update(tenantStaff).set({ mustProveLogin: false }).where(due);
}

/**
 * All memberships of the person behind one of them, in the order in which their rows are locked.
 * @param setBefore if given: none if their password was set later than that
 */
export async function listMemberships(
  tx: Tx,
  { tenantId, staffId }: { tenantId: string; staffId: string },
  setBefore: Date | null,
): Promise<{ tenantId: string; staffId: string }[]> {
  const person = tx
    .select({ userId: tenantStaff.userId })
    .from(tenantStaff)
    .where(ofStaff(tenantId, staffId));
  return tx
    .select({ tenantId: tenantStaff.tenantId, staffId: tenantStaff.id })
    .from(tenantStaff)
    .innerJoin(users, eq(users.id, tenantStaff.userId))
    .where(
      and(
        eq(tenantStaff.userId, person),
        setBefore ? lte(users.passwordChangedAt, setBefore) : undefined,
      ),
    )
    .orderBy(asc(tenantStaff.id));
}

/**
 * Expires the password of a staff member's person.
 * @returns false if it had expired already, or was set after the moment
 */
export async function expirePassword(
  tx: Tx,
  { tenantId, staffId }: { tenantId: string; staffId: string },
  setBefore: Date | null,
): Promise<boolean> {
  const person = tx
    .select({ userId: tenantStaff.userId })
    .from(tenantStaff)
    .where(ofStaff(tenantId, staffId));
  const rows = await tx
    .update(users)
    .set({ passwordExpiredAt: sql`clock_timestamp()` })
    .where(
      and(
        eq(users.id, person),
        isNull(users.passwordExpiredAt),
        setBefore ? lte(users.passwordChangedAt, setBefore) : undefined,
      ),
    )
    .returning({ id: users.id });
  return rows.length === 1;
}
