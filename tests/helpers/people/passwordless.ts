import { eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { users } from '@/server/db/schema';
import { seedTestUserAndToken } from '../seedAuth';
import type { SeedOptions, SeededAuth } from '../seedAuth';

/** Creates a member who has a live session and no password, as after a sign-in at a provider. */
export async function seedPasswordless(options: SeedOptions = {}): Promise<SeededAuth> {
  const member = await seedTestUserAndToken(options);
  await db.update(users).set({ passwordHash: null }).where(eq(users.id, member.userId));
  return member;
}

/** Reads the stored password of a person. */
export async function storedPasswordOf(userId: string) {
  const { passwordHash, passwordChangedAt, passwordExpiredAt } = users;
  const [row] = await db
    .select({ passwordHash, passwordChangedAt, passwordExpiredAt })
    .from(users)
    .where(eq(users.id, userId));
  return row;
}
