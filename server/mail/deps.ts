import type { Kernel } from '../kernel';
import type { Mailer } from './mailer';

/** What sending mail adds to the kernel. */
export interface MailParts {
  mail: Mailer;
}

/** What functions of `mail/` may ask for. */
export type MailDeps = Kernel & MailParts;
