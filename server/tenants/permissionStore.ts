import { asc, eq, isNotNull, isNull, sql } from 'drizzle-orm';
import type { Db, Tx } from '../db';
import { declaredPermissions } from '../db/schema';

export interface DeclaredPermission {
  name: string;
  description: string;
  privileged: boolean;
}

const { name, description, privileged, withdrawnAt } = declaredPermissions;

/** Lists the permissions of the team's own that can be given, ordered by name. */
export async function listDeclared(db: Db): Promise<DeclaredPermission[]> {
  return db
    .select({ name, description, privileged })
    .from(declaredPermissions)
    .where(isNull(withdrawnAt))
    .orderBy(asc(name));
}

/** Lists the names of the permissions that were withdrawn. */
export async function listWithdrawn(db: Db): Promise<string[]> {
  const rows = await db.select({ name }).from(declaredPermissions).where(isNotNull(withdrawnAt));
  return rows.map((row) => row.name);
}

/** Waits for another declaration to end. */
export async function lockDeclared(tx: Tx): Promise<void> {
  await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended('declared_permissions', 0))`);
}

/** Declares a permission, or declares it again after it was withdrawn or with another sentence. */
export async function upsertDeclared(tx: Tx, permission: DeclaredPermission): Promise<void> {
  const set = { ...permission, withdrawnAt: null };
  await tx.insert(declaredPermissions).values(permission).onConflictDoUpdate({ target: name, set });
}

/** Withdraws a permission: nobody can be given it any more. */
export async function withdrawDeclared(tx: Tx, withdrawn: string): Promise<void> {
  await tx
    .update(declaredPermissions)
    .set({ withdrawnAt: sql`clock_timestamp()` })
    .where(eq(name, withdrawn));
}
