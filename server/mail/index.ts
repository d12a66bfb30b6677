export { createMailer } from './mailer';
export type { Mailer } from './mailer';
export { giveUpExpiredMails, purgeMails } from './mailStore';
export { readNoticeToken } from './noticeLink';
export { noticeFactorChanged, queueNotice } from './notices';
export type { NoticeDeps } from './notices';
export { queueMail } from './queueMail';
