import { eq } from 'drizzle-orm';
import type { Express } from 'express';
import request from 'supertest';
import { db } from '@/server/db';
import { passwordResets } from '@/server/db/schema';
import type { Deps } from '@/server/deps';
import { tagId } from '@/server/taggedId';
import { seedTestUserAndToken } from '../seedAuth';
import { changePassword, forgot, reset } from './passwordCalls';

/** Makes a person who changes their password, forgets it, and resets it with the mailed link. */
export async function replacePasswords({ app, deps }: { app: Express; deps: Deps }): Promise<void> {
  const who = await seedTestUserAndToken();
  await changePassword(app, who).expect(200);
  await forgot(app, who.email).expect(202);
  await deps.mail.settle();
  const [row] = await db
    .select({ id: passwordResets.id })
    .from(passwordResets)
    .where(eq(passwordResets.userId, who.userId));
  const kind = { purpose: 'password-reset', prefix: 'pwr_' } as const;
  const path = `/api/auth/password/reset/${tagId(deps.keys, kind, row?.id ?? '')}`;
  await request(app).get(path).expect(200);
  await reset(app, path, 'correct horse batteries').expect(200);
}
