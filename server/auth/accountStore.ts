import { and, asc, eq, isNotNull, isNull, lte, ne, sql } from 'drizzle-orm';
import type { SQL } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { MAY_SIGN_IN, NOT_ENDED } from '../db/maySignIn';
import { tenantStaff, tenants, users } from '../db/schema';
import { HASH_COST } from '../db/schema/users';
import { acrossTenants, inTenant } from '../db/tenantScope';

export interface Membership {
  tenantId: string;
  slug: string;
  name: string;
  staffId: string;
  /**
   * The session version when the credentials were read. A session or challenge may only begin under
   * this version.
   */
  sessionVersion: number;
  /** The next login needs a step-up proof, whatever its score. */
  mustProveLogin: boolean;
  /** Tenant and staff member are active, and the membership has not ended. */
  active: boolean;
}

export interface Account {
  userId: string;
  email: string;
  /** Null for a person without a password. */
  passwordHash: string | null;
  passwordChangedAt: Date;
  /** Someone else knew the password, so it can no longer be used to sign in. */
  passwordExpired: boolean;
  active: boolean;
  memberships: Membership[];
}

/** An account whose password was checked, so it has one. */
export type PasswordAccount = Account & { passwordHash: string };

/** Returns whether this person can sign in with a password at all. */
export const hasOwnPassword = (account: Account): account is PasswordAccount =>
  account.passwordHash !== null;

/**
 * Finds a person by e-mail address, with their memberships in all tenants: the login does not know
 * yet which tenant is meant.
 */
export function findAccount(db: Db, email: string): Promise<Account | undefined> {
  return acrossTenants(db, 'person', async (tx) => {
    const rows = await tx
      .select({ user: users, staff: tenantStaff, tenant: tenants, lasts: NOT_ENDED })
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
      passwordChangedAt: user.passwordChangedAt,
      passwordExpired: user.passwordExpiredAt !== null,
      active: user.status === 'active',
      memberships: rows.flatMap(({ staff, tenant, lasts }) =>
        staff && tenant
          ? [
              {
                tenantId: tenant.id,
                slug: tenant.slug,
                name: tenant.name,
                staffId: staff.id,
                sessionVersion: staff.sessionVersion,
                mustProveLogin: staff.mustProveLogin,
                active: staff.status === 'active' && lasts && tenant.status === 'active',
              },
            ]
          : [],
      ),
    };
  });
}

/**
 * Lists the memberships with which a person may sign in: those that are active, if the account is.
 * @param tenant the slug or the id of the one tenant that is meant; undefined for all
 */
export const listOpenMemberships = (
  { active, memberships }: Account,
  tenant?: string,
): Membership[] =>
  memberships.filter(
    (one) =>
      active &&
      one.active &&
      (tenant === undefined || tenant === one.slug || tenant === one.tenantId),
  );

/**
 * Finds a member who may sign in, for a sign-in that needs no password.
 * @returns undefined if there is no such member, or the member, the person or the tenant is not
 * active, or the membership has ended
 */
export function findOpenMember(db: Db, tenantId: string, staffId: string) {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select({
        tenantId: tenantStaff.tenantId,
        staffId: tenantStaff.id,
        userId: tenantStaff.userId,
        sessionVersion: tenantStaff.sessionVersion,
        mustProveLogin: tenantStaff.mustProveLogin,
      })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId), MAY_SIGN_IN));
    return row;
  });
}

/**
 * Lists the distinct algorithm and cost prefixes of all stored hashes. The recursive query steps
 * along an index from one value to the next, so it reads one row per distinct cost.
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
 * Replaces the hash that was just verified with a new hash of the same password.
 * `password_changed_at` stays, because only the cost of hashing changed.
 * @param hashes `from` is the hash that was verified
 * @returns false if the stored hash changed in the meantime: a password change must not be undone
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

/** Reads the profile of the signed-in staff member, for `/me`. */
export function readProfile(db: Db, tenantId: string, userId: string) {
  return inTenant(db, tenantId, async (tx) => {
    const [row] = await tx
      .select({
        email: users.email,
        tenant: { id: tenants.id, slug: tenants.slug, name: tenants.name },
      })
      .from(users)
      .innerJoin(tenantStaff, eq(tenantStaff.userId, users.id))
      .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
      .where(and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.userId, userId)));
    return row;
  });
}

const ofStaff = (tenantId: string, staffId: string) =>
  and(eq(tenantStaff.tenantId, tenantId), eq(tenantStaff.id, staffId));

/** Makes the next login of this staff member need a step-up proof. */
export function requireProofAtLogin(tx: Tx, tenantId: string, staffId: string): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    await own.update(tenantStaff).set({ mustProveLogin: true }).where(ofStaff(tenantId, staffId));
  });
}

/** Clears the demand for a step-up proof once the proof has been given. */
export function noteProofAtLogin(tx: Tx, tenantId: string, staffId: string): Promise<void> {
  return inTenant(tx, tenantId, async (own) => {
    const due = and(ofStaff(tenantId, staffId), eq(tenantStaff.mustProveLogin, true));
    await own.update(tenantStaff).set({ mustProveLogin: false }).where(due);
  });
}

/**
 * Lists the memberships of the person behind one membership, without those that have ended, in the
 * order in which their rows are locked.
 * @param setBefore if given, the list is empty if the person's password was set later than this
 */
export function listMemberships(
  tx: Tx,
  { tenantId, staffId }: { tenantId: string; staffId: string },
  setBefore: Date | null,
): Promise<{ tenantId: string; staffId: string }[]> {
  return acrossTenants(tx, 'person', async (own) => {
    const person = own
      .select({ userId: tenantStaff.userId })
      .from(tenantStaff)
      .where(ofStaff(tenantId, staffId));
    return own
      .select({ tenantId: tenantStaff.tenantId, staffId: tenantStaff.id })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .where(
        and(
          eq(tenantStaff.userId, person),
          ne(tenantStaff.status, 'removed'),
          setBefore ? lte(users.passwordChangedAt, setBefore) : undefined,
        ),
      )
      .orderBy(asc(tenantStaff.id));
  });
}

/**
 * Expires the password of the person behind a staff member. A person without a password has none to
 * expire. No constraint says so: it would refuse this act to a server of an earlier release.
 * @param setBefore if given, a password set later than this stays valid
 * @returns false if there is no password, or it had already expired or was set later than
 * `setBefore`
 */
export function expirePassword(
  tx: Tx,
  { tenantId, staffId }: { tenantId: string; staffId: string },
  setBefore: Date | null,
): Promise<boolean> {
  return inTenant(tx, tenantId, async (own) => {
    const person = own
      .select({ userId: tenantStaff.userId })
      .from(tenantStaff)
      .where(ofStaff(tenantId, staffId));
    const rows = await own
      .update(users)
      .set({ passwordExpiredAt: sql`clock_timestamp()` })
      .where(
        and(
          eq(users.id, person),
          isNull(users.passwordExpiredAt),
          isNotNull(users.passwordHash),
          setBefore ? lte(users.passwordChangedAt, setBefore) : undefined,
        ),
      )
      .returning({ id: users.id });
    return rows.length === 1;
  });
}
