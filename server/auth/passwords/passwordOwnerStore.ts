import { and, asc, eq } from 'drizzle-orm';
import type { Db, Tx } from '../../db';
import { MAY_SIGN_IN } from '../../db/maySignIn';
import { HAS_PASSWORD } from '../../db/ownPassword';
import { tenantStaff, tenants, users } from '../../db/schema';
import { acrossTenants } from '../../db/tenantScope';
import { allDemandFactor } from '../../security';
import type { PasswordOwner } from './passwordPolicy';

/**
 * Reads the facts about a person that decide which passwords they may use. The policies are read
 * from the database and not from a cache: a weaker password must not pass for a minute longer.
 * @returns undefined if there is no such person
 */
export function readPasswordOwner(db: Db | Tx, userId: string): Promise<PasswordOwner | undefined> {
  return acrossTenants(db, 'person', async (tx) => {
    const [person] = await tx
      .select({ email: users.email, name: users.name })
      .from(users)
      .where(eq(users.id, userId));
    if (!person) return undefined;
    const open = await tx
      .select({ tenantId: tenants.id, slug: tenants.slug, name: tenants.name })
      .from(tenantStaff)
      .innerJoin(users, eq(users.id, tenantStaff.userId))
      .innerJoin(tenants, eq(tenants.id, tenantStaff.tenantId))
      .where(and(eq(tenantStaff.userId, userId), MAY_SIGN_IN))
      .orderBy(asc(tenants.slug));
    return {
      ...person,
      tenantWords: open.flatMap(({ slug, name }) => [slug, name]),
      factorDemanded: await allDemandFactor(
        tx,
        open.map(({ tenantId }) => tenantId),
      ),
    };
  });
}

/** Reads the hash of a person's password, also of one that has expired; null if there is none. */
export async function readPasswordHash(db: Db, userId: string): Promise<string | null> {
  const { passwordHash } = users;
  const [row] = await db.select({ passwordHash }).from(users).where(eq(users.id, userId));
  return row?.passwordHash ?? null;
}

/** Returns whether a person has a password, also an expired one. */
export async function readHasPassword(db: Db | Tx, userId: string): Promise<boolean> {
  const [row] = await db
    .select({ hasPassword: HAS_PASSWORD })
    .from(users)
    .where(eq(users.id, userId));
  return row?.hasPassword === true;
}

/**
 * Describes a person who has no password yet and joins another tenant.
 * @returns undefined if there is no such person
 */
export async function describeJoiningOwner(
  db: Db,
  { userId, tenantId }: { userId: string; tenantId: string },
): Promise<PasswordOwner | undefined> {
  const owner = await readPasswordOwner(db, userId);
  if (!owner) return undefined;
  const joining = await describeNewOwner(db, { ...owner, tenantId });
  const isMember = owner.tenantWords.length > 0;
  return {
    ...owner,
    tenantWords: [...owner.tenantWords, ...joining.tenantWords],
    factorDemanded: joining.factorDemanded && (owner.factorDemanded || !isMember),
  };
}

/** Describes a new person, whose first tenant this is. */
export async function describeNewOwner(
  db: Db | Tx,
  { email, name, tenantId }: { email: string; name: string | null; tenantId: string },
): Promise<PasswordOwner> {
  const [tenant] = await db
    .select({ slug: tenants.slug, name: tenants.name })
    .from(tenants)
    .where(eq(tenants.id, tenantId));
  const tenantWords = tenant ? [tenant.slug, tenant.name] : [];
  return { email, name, tenantWords, factorDemanded: await allDemandFactor(db, [tenantId]) };
}
