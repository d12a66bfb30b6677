export type { MailDeps, MailParts } from './deps';
export { createMailer } from './mailer';
export { giveUpExpiredMails, purgeMails } from './mailStore';
export { boundToMail, openMail } from './sealedMail';
export { LINK_DAYS, readNoticeToken } from './noticeLink';
export { noticeFactorChanged, queueNotice, queueNoticeOnceADay } from './notices';
export type { NoticeDeps } from './notices';
export { tellsOfPassword } from './noticeTexts';
export { queueMail } from './queueMail';
