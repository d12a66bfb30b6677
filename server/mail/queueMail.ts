import type { NoticeKind } from '../audit';
import type { Tx } from '../db';
import type { MailDeps } from './deps';
import { insertMail } from './mailStore';
import { toLine } from './plainText';
import { sealMail } from './sealedMail';

type MailKind =
  | NoticeKind
  | 'step_up_code'
  | 'password_reset_link'
  | 'email_change'
  | 'own_proof_link'
  | 'approval_requested'
  | 'impersonation_started'
  | 'impersonation_ended'
  | 'domain_failing'
  | 'domain_lost'
  | 'invitation'
  | 'invitation_code';

interface NewMail {
  /** Set it if the text has to contain the mail's id; otherwise a new one is created. */
  id?: string;
  tenantId: string;
  /** Null for a mail to somebody who is not a member yet; `staffId` too. */
  userId: string | null;
  staffId: string | null;
  /** The recipient's address. */
  to: string;
  kind: MailKind;
  subject: string;
  /** Plain text. */
  text: string;
  /** After this time the mail is not worth sending. */
  expiresAt: Date;
}

const MOST_SUBJECT = 200;

/**
 * Queues a mail in the caller's transaction, so that it is sent only if the event it reports is
 * committed. Call `deps.mail.wake()` after the commit; without that call the mail is found within
 * seconds.
 * @returns the mail's id
 * @throws any database error
 */
export async function queueMail(
  deps: Pick<MailDeps, 'keys' | 'clock' | 'random'>,
  tx: Tx,
  mail: NewMail,
): Promise<string> {
  const { to, subject, text, ...rest } = mail;
  const id = mail.id ?? deps.random.id();
  const sealed = sealMail(deps.keys, id, { to, subject: toLine(subject, MOST_SUBJECT), text });
  await insertMail(tx, {
    ...rest,
    id,
    sealed,
    keyId: deps.keys.ids.encryption,
    createdAt: deps.clock.now(),
  });
  return id;
}
