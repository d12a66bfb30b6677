export { createMailer } from './mailer';
export type { Mailer } from './mailer';
export { giveUpExpiredMails, purgeMails } from './mailStore';
export { queueMail } from './queueMail';
