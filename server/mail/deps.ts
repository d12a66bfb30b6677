import type { Kernel } from '../kernel';
import type { Mailer } from './mailer';

/** The parts that sending mail adds to the kernel. */
export interface MailParts {
  mail: Mailer;
}

/** The dependencies that functions of `mail/` may ask for. */
export type MailDeps = Kernel & MailParts;
