import { asc, eq } from 'drizzle-orm';
import { db } from '@/server/db';
import { mails } from '@/server/db/schema';
import type { Deps } from '@/server/deps';
import { queueMail } from '@/server/mail';
import { pollUntil } from '../time/pollUntil';
import { seedTestUserAndToken } from '../seedAuth';

const HOUR_MS = 3_600_000;

interface Owner {
  tenantId: string;
  userId: string;
  staffId: string;
}

type NewMail = Parameters<typeof queueMail>[2];

/** Queues a mail to a new person, and commits it without waking a sender. @returns its id */
export async function queueOne(
  deps: Deps,
  change: Partial<NewMail> = {},
  owner?: Owner,
): Promise<string> {
  const { tenantId, userId, staffId } = owner ?? (await seedTestUserAndToken());
  return db.transaction((tx) =>
    queueMail(deps, tx, {
      ...{ tenantId, userId, staffId },
      to: 'reader@elsewhere.example',
      kind: 'step_up_code',
      subject: 'Your code',
      text: 'Your code is 271828.',
      expiresAt: new Date(Date.now() + HOUR_MS),
      ...change,
    }),
  );
}

export async function mailRow(id: string) {
  const [row] = await db.select().from(mails).where(eq(mails.id, id));
  if (!row) throw new Error('there is no such mail');
  return row;
}

type MailRow = Awaited<ReturnType<typeof mailRow>>;

/** Waits until a mail's row fits. */
export const untilMail = (id: string, what: string, fits: (row: MailRow) => boolean) =>
  pollUntil(what, () => mailRow(id), fits);

/** Returns the mails of a staff member, oldest first. */
export const mailsOf = ({ staffId }: { staffId: string }) =>
  db.select().from(mails).where(eq(mails.staffId, staffId)).orderBy(asc(mails.id));
