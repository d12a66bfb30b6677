export { createMailer } from './mailer';
export type { Mailer } from './mailer';
export { giveUpExpiredMails, purgeMails } from './mailStore';
export { readNoticeToken } from './noticeLink';
export { noticeFactorChanged, queueNotice } from './notices';
export type { NoticeDeps } from './notices';
export { tellsOfPassword } from './noticeTexts';
export { NOTICE_KINDS, queueMail } from './queueMail';
export type { NoticeKind } from './queueMail';
