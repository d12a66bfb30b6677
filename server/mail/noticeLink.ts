import type { Db } from '../db';
import type { MailDeps } from './deps';
import type { KeyRing } from '../keyRing';
import { readTaggedId, tagId } from '../taggedId';
import { findMailOrigin } from './mailStore';
import { NOTICE_KINDS } from '../audit';
import type { NoticeKind } from '../audit';
import { DAY_MS } from '../durations';

const NOTICE = { purpose: 'notice', prefix: 'ntc_' } as const;
export const LINK_DAYS = 7;

/**
 * Builds the link with which the reader of a notice ends their sessions: the mail's id with a tag.
 * Nothing of it is stored.
 */
export const toNoticeLink = (keys: KeyRing, publicUrl: string, mailId: string): string =>
  `${publicUrl}/api/security/notices/${tagId(keys, NOTICE, mailId)}`;

/** The person and tenant whose sessions a notice's link ends, and the kind of the notice. */
export interface LinkedNotice {
  tenantId: string;
  staffId: string;
  kind: NoticeKind;
  /** When it was queued. */
  createdAt: Date;
}

/**
 * Reads the last part of a notice's link.
 * @returns undefined if this server did not send it, if it is for another kind of mail, or after
 * seven days
 */
export async function readNoticeToken(
  deps: Pick<MailDeps, 'keys' | 'clock'> & { db: Db },
  token: string,
): Promise<LinkedNotice | undefined> {
  const id = readTaggedId(deps.keys, NOTICE, token);
  const mail = id === null ? undefined : await findMailOrigin(deps.db, id);
  const kind = NOTICE_KINDS.find((one) => one === mail?.kind);
  if (!mail || !kind || mail.staffId === null) return undefined;
  const { tenantId, staffId, createdAt } = mail;
  const age = deps.clock.now().getTime() - createdAt.getTime();
  return age < LINK_DAYS * DAY_MS ? { tenantId, staffId, kind, createdAt } : undefined;
}
