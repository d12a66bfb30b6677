import { and, eq, sql } from 'drizzle-orm';
import type { Tx } from '../db';
import { users } from '../db/schema';

/**
 * Writes a person's name.
 * @param name null removes it
 * @returns false if it was the same before
 */
export async function replaceName(tx: Tx, userId: string, name: string | null): Promise<boolean> {
  const rows = await tx
    .update(users)
    .set({ name })
    .where(and(eq(users.id, userId), sql`${users.name} IS DISTINCT FROM ${name}`))
    .returning({ id: users.id });
  return rows.length === 1;
}
