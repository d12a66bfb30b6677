import { db } from '@/server/db';
import { mails, passkeyRegistrations, passkeys, recoveryCodes } from '@/server/db/schema';

interface Owner {
  tenantId: string;
  userId: string;
  staffId: string;
}

/** A row in each table that has none by now: what is not there cannot be seen to change. @returns the mail's id */
export async function giveOneOfEach({ tenantId, userId, staffId }: Owner): Promise<string> {
  const row = { tenantId, userId, staffId };
  const expiresAt = new Date(Date.now() + 3_600_000);
  await db.insert(recoveryCodes).values({ ...row, codeHash: 'x' });
  const key = { name: 'Key', publicKey: Buffer.from([0]), transports: [], backedUp: false };
  await db.insert(passkeys).values({ ...row, ...key, credentialId: staffId });
  await db.insert(passkeyRegistrations).values({ ...row, challenge: 'x', expiresAt });
  const mail = { ...row, kind: 'new_device', expiresAt, sentAt: new Date() };
  const [sent] = await db.insert(mails).values(mail).returning({ id: mails.id });
  return sent?.id ?? '';
}
