import { DAY_MS } from '../durations';
import type { Tx } from '../db';
import type { MailDeps } from './deps';
import { readAddressee } from './mailStore';
import { toLine } from './plainText';
import { queueMail } from './queueMail';

const MOST_NAME = 80;
const inUtc = (at: Date) => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** The facts about a change that waits for a second administrator. */
export interface AskedApproval {
  id: string;
  /** The address of the member who asks. */
  requester: string;
  /** The permissions that somebody would hold in addition. */
  given: readonly string[];
  expiresAt: Date;
}

/** Writes the mail to an administrator who can approve a change. It contains no link. */
function writeApprovalMail(tenantName: string, asked: AskedApproval) {
  const tenant = toLine(tenantName, MOST_NAME);
  const gives =
    asked.given.length === 0
      ? 'It switches the rule off that asks for a second administrator.'
      : `It gives: ${asked.given.join(', ')}.`;
  return {
    subject: `A change at ${tenant} waits for your approval`,
    text: `${asked.requester} asked for a change at ${tenant} that a second administrator must approve. ${gives}

Request: ${asked.id}
Until:   ${inUtc(asked.expiresAt)}

Sign in to ${tenant} to see it, and to approve or refuse it. Nothing changes before that. If you did not expect it, ask that person in another way before you decide.
`,
  };
}

/**
 * Queues a mail to a member who can approve a change, in the transaction that stores the request.
 * If mail is not available, nothing happens.
 * @throws any database error
 */
export async function queueApprovalMail(
  deps: Pick<MailDeps, 'keys' | 'clock' | 'random' | 'mail'>,
  tx: Tx,
  { tenantId, staffId }: { tenantId: string; staffId: string },
  asked: AskedApproval,
): Promise<void> {
  if (!deps.mail.isAvailable()) return;
  const addressee = await readAddressee(tx, tenantId, staffId);
  if (!addressee) return;
  await queueMail(deps, tx, {
    ...{ tenantId, staffId, userId: addressee.userId, to: addressee.email },
    kind: 'approval_requested',
    ...writeApprovalMail(addressee.tenantName, asked),
    expiresAt: new Date(Math.min(asked.expiresAt.getTime(), deps.clock.now().getTime() + DAY_MS)),
  });
}
